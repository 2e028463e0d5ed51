//! The fields of a request that answers depend on. Which of them are there is found in one pass:
//! most requests have few, and to look for each in vain would cost more than all the rest.

use hyper::HeaderMap;
use hyper::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, GetAll, HOST, HeaderName, HeaderValue,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING, USER_AGENT,
};

/// A field that answers depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Host,
    UserAgent,
    AcceptEncoding,
    IfNoneMatch,
    IfModifiedSince,
    IfMatch,
    IfUnmodifiedSince,
    ContentLength,
    TransferEncoding,
    /// What a browser wants an answer for (Fetch Metadata §2.1).
    Destination,
    ForwardedFor,
    RequestMethod,
}

/// By their place in [`Field`].
static NAMES: [HeaderName; 12] = [
    HOST,
    USER_AGENT,
    ACCEPT_ENCODING,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_MATCH,
    IF_UNMODIFIED_SINCE,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("x-forwarded-for"),
    ACCESS_CONTROL_REQUEST_METHOD,
];

impl Field {
    pub(super) fn name(self) -> &'static HeaderName {
        &NAMES[self as usize]
    }
}

/// The fields of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    all: &'a HeaderMap,
    /// The first line of each, by its place in [`Field`].
    first: [Option<&'a HeaderValue>; NAMES.len()],
}

impl<'a> Fields<'a> {
    pub(super) fn of(all: &'a HeaderMap) -> Self {
        let mut first = [None; NAMES.len()];
        for (name, line) in all {
            if let Some(place) = NAMES.iter().position(|known| known == name) {
                first[place].get_or_insert(line);
            }
        }
        Self { all, first }
    }

    /// Whether a field is there.
    pub(super) fn has(&self, field: Field) -> bool {
        self.get(field).is_some()
    }

    /// The first line of a field.
    pub(super) fn get(&self, field: Field) -> Option<&'a HeaderValue> {
        self.first[field as usize]
    }

    /// The only line of a field. None if it is not there, or has several.
    pub(super) fn only(&self, field: Field) -> Option<&'a HeaderValue> {
        self.get(field).filter(|_| !self.is_repeated(field))
    }

    /// Whether a field has several lines.
    pub(super) fn is_repeated(&self, field: Field) -> bool {
        self.all.len() > self.all.keys_len() && self.lines(field).nth(1).is_some()
    }

    /// All lines of a field.
    pub(super) fn lines(&self, field: Field) -> impl DoubleEndedIterator<Item = &'a HeaderValue> + use<'a> {
        let lines = self.has(field).then(|| self.all.get_all(field.name()));
        lines.into_iter().flat_map(|lines: GetAll<'a, HeaderValue>| lines.iter())
    }

    /// All lines of a field that are text.
    pub(super) fn texts(&self, field: Field) -> impl Iterator<Item = &'a str> + use<'a> {
        self.lines(field).filter_map(|line| line.to_str().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_names() {
        let mut headers = HeaderMap::new();
        for (place, name) in NAMES.iter().enumerate() {
            headers.append(name, HeaderValue::from(place));
        }
        headers.append(HOST, HeaderValue::from_static("again"));
        let fields = Fields::of(&headers);
        assert_eq!(fields.get(Field::Destination), Some(&HeaderValue::from(9)));
        assert_eq!(fields.get(Field::RequestMethod), Some(&HeaderValue::from(11)));
        assert_eq!(fields.get(Field::Host), Some(&HeaderValue::from(0)));
        assert_eq!(fields.texts(Field::Host).collect::<Vec<_>>(), ["0", "again"]);
        assert!(fields.is_repeated(Field::Host) && fields.only(Field::Host).is_none());
        assert_eq!(fields.only(Field::UserAgent), Some(&HeaderValue::from(1)));
        headers.remove(USER_AGENT);
        let fields = Fields::of(&headers);
        assert!(!fields.has(Field::UserAgent) && fields.lines(Field::UserAgent).next().is_none());
        assert!(fields.has(Field::ForwardedFor));
    }
}
