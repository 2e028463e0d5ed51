//! The parts that all pages share: the head, and the ways to subscribe.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::feed::Selection;
use crate::render::format::Format;
use crate::render::html::asset::{ICON, SCRIPT};
use crate::render::html::link::at_home;
use crate::render::opml;
use crate::render::publication::Publication;
use crate::render::style;

/// Feed readers on the web, each with the start of its subscription addresses.
const READERS: [(&str, &str); 5] = [
    ("Feedly", "https://feedly.com/i/subscription/feed%2F"),
    ("Inoreader", "https://www.inoreader.com/?add_feed="),
    ("NewsBlur", "https://www.newsblur.com/?url="),
    ("Feedbin", "https://feedbin.com/?subscribe="),
    ("The Old Reader", "https://theoldreader.com/feeds/subscribe?url="),
];

/// All characters but the unreserved ones (RFC 3986 §2.3).
const ESCAPES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The head and the foot of a page.
#[derive(Serialize)]
pub(super) struct Frame<'a> {
    pub(super) title: String,
    pub(super) description: String,
    /// The address of the page.
    pub(super) url: String,
    pub(super) publication: &'a str,
    pub(super) home: &'a str,
    pub(super) policy: &'a str,
    pub(super) style: &'a str,
    pub(super) script: String,
    pub(super) icon: String,
    pub(super) list: String,
    pub(super) copyright: Option<&'a str>,
    pub(super) addresses: Vec<Address>,
    /// The language of the subject, if it differs from that of the templates.
    pub(super) language: Option<&'a str>,
}

/// The address of a feed in one format.
#[derive(Serialize)]
pub(super) struct Address {
    format: &'static str,
    media_type: &'static str,
    url: String,
    /// The address at which browsers get the feed instead of the page.
    raw: String,
}

/// The ways to subscribe to a feed.
#[derive(Serialize)]
pub(super) struct Subscribe {
    url: String,
    /// The address that opens an app on the device.
    app: String,
    readers: Vec<Reader>,
}

#[derive(Serialize)]
struct Reader {
    name: &'static str,
    /// The start of its subscription addresses.
    before: &'static str,
    url: String,
}

/// Returns the frame of a page about a selection, without title and description.
pub(super) fn frame<'a>(selection: &Selection, publication: &'a Publication) -> Frame<'a> {
    let at_home = |path: &str| format!("{}{path}", publication.url.path());
    Frame {
        title: String::new(),
        description: String::new(),
        url: publication.feed_url(selection, Format::Html),
        publication: &publication.title,
        home: publication.url.path(),
        policy: &publication.policy,
        style: style::inline(&publication.style),
        script: at_home(SCRIPT),
        icon: publication.icon.clone().unwrap_or_else(|| at_home(ICON)),
        list: at_home(opml::PATH),
        copyright: publication.copyright.as_deref(),
        addresses: addresses(selection, publication),
        language: None,
    }
}

fn addresses(selection: &Selection, publication: &Publication) -> Vec<Address> {
    let address = |format: Format| {
        let url = publication.feed_url(selection, format);
        let raw = at_home(&url, publication);
        let raw = if raw.contains('?') { format!("{raw}&raw") } else { format!("{raw}?raw") };
        let media_type = format.media_type().split(';').next().unwrap_or_default();
        Address { format: format.name(), media_type, url, raw }
    };
    Format::FEEDS.into_iter().map(address).collect()
}

pub(super) fn subscribe(selection: &Selection, publication: &Publication) -> Subscribe {
    let url = publication.feed_url(selection, Format::Atom);
    let encoded = utf8_percent_encode(&url, ESCAPES).to_string();
    let reader = |(name, before): (&'static str, &'static str)| Reader {
        name,
        before,
        url: format!("{before}{encoded}"),
    };
    Subscribe {
        app: format!("feed{}", url.trim_start_matches(publication.url.scheme())),
        readers: READERS.map(reader).into(),
        url,
    }
}
