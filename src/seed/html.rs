//! Reads the tags of sanitised HTML.

use html5gum::{DefaultEmitter, EndTag, StartTag, Token, Tokenizer};

/// A tag, and the text before it.
pub(super) struct Segment<'h> {
    /// The text as it stands in the HTML, with its entities.
    pub(super) text: &'h str,
    /// The tag, or `None` after the last one.
    pub(super) tag: Option<Tag<'h>>,
}

/// A tag.
pub(super) struct Tag<'h> {
    /// The tag as it stands in the HTML.
    pub(super) source: &'h str,
    token: TagToken,
}

enum TagToken {
    Start(StartTag<usize>),
    End(EndTag<usize>),
}

impl Tag<'_> {
    /// Returns `true` if the tag closes an element.
    pub(super) fn is_end(&self) -> bool {
        matches!(self.token, TagToken::End(_))
    }

    /// Returns the name of the element.
    pub(super) fn name(&self) -> &str {
        let name = match &self.token {
            TagToken::Start(tag) => &tag.name,
            TagToken::End(tag) => &tag.name,
        };
        str::from_utf8(name).unwrap_or_default()
    }

    /// Returns the value of an attribute, with its entities decoded.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        match &self.token {
            TagToken::Start(tag) => str::from_utf8(tag.attributes.get(name.as_bytes())?).ok(),
            TagToken::End(_) => None,
        }
    }
}

/// Returns the segments of HTML, which together are all of it.
pub(super) fn segments(html: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut emitter = DefaultEmitter::new_with_span();
    // The content of a frame is text.
    emitter.naively_switch_states(true);
    let mut tokens = Tokenizer::new_with_emitter(html, emitter);
    let mut position = 0;
    std::iter::from_fn(move || {
        loop {
            let (span, token) = match tokens.next() {
                Some(Ok(Token::StartTag(tag))) => (tag.span, TagToken::Start(tag)),
                Some(Ok(Token::EndTag(tag))) => (tag.span, TagToken::End(tag)),
                Some(_) => continue,
                None if position == html.len() => return None,
                None => {
                    let text = html.get(position..)?;
                    position = html.len();
                    return Some(Segment { text, tag: None });
                }
            };
            let (text, source) = (html.get(position..span.start)?, html.get(span.start..span.end)?);
            position = span.end;
            return Some(Segment { text, tag: Some(Tag { source, token }) });
        }
    })
}

/// Returns the tags of HTML that open an element.
pub(super) fn start_tags(html: &str) -> impl Iterator<Item = Tag<'_>> {
    segments(html).filter_map(|segment| segment.tag).filter(|tag| !tag.is_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seed::content::sanitize;
    use crate::seed::form::Markup;

    #[test]
    fn tag_has_its_source_name_and_attributes() {
        let html = "é<img src=\"a?b&amp;c\" alt=\"x > y\">\u{2028}</p>z";
        let found: Vec<_> = segments(html)
            .map(|segment| {
                let tag = segment.tag.as_ref();
                let tag = tag.map(|tag| (tag.source, tag.name(), tag.is_end(), tag.attribute("src")));
                (
                    segment.text.to_owned(),
                    tag.map(|(source, name, end, src)| format!("{source} {name} {end} {src:?}")),
                )
            })
            .collect();
        let image = "<img src=\"a?b&amp;c\" alt=\"x > y\"> img false Some(\"a?b&c\")";
        let expected = [("é", Some(image)), ("\u{2028}", Some("</p> p true None")), ("z", None)];
        assert_eq!(found, expected.map(|(text, tag)| (text.to_owned(), tag.map(str::to_owned))));
    }

    proptest! {
        #[test]
        fn segments_are_all_of_sanitised_html(
            parts in prop::collection::vec(prop::sample::select(&[
                "a", "é", " ", "\n", "\r", "\r\n", "&#13;", "&#0;", "&amp;", "&lt;", "<p>", "</p>", "<b title='x>y'>", "</b>",
                "<iframe src='https://www.youtube.com/x'>", "</iframe>", "<img alt='&quot;&#13;\r' src=a>", "<pre>", "</pre>",
                "<textarea>", "<title>", "<style>", "<script>", "<!--", "-->", "<![CDATA[", "]]>", "<plaintext>", "<xmp>", "<svg>",
                "<noscript>", "\u{85}", "\u{FEFF}", "\u{0}", "<", ">", "\"", "'", "=",
            ][..]), 0..24),
        ) {
            let base = url::Url::parse("https://a.example/").unwrap();
            let html = sanitize(Markup::Html, &parts.concat(), &base, &["www.youtube.com".to_owned()]).unwrap();
            let joined: String =
                segments(&html).map(|segment| segment.text.to_owned() + segment.tag.map_or("", |tag| tag.source)).collect();
            prop_assert_eq!(joined, html);
        }
    }
}
