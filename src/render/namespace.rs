//! The XML namespace that RSS and Atom share, beside Media RSS.

/// The prefix and the namespace of Feed Paging and Archiving (RFC 5005).
pub(super) const HISTORY: (&str, &str) = ("fh", "http://purl.org/syndication/history/1.0");
