//! Media: what kind of file an address leads to, and what a record has to play.

use url::Url;

use super::content::{attribute, tags};
use super::link;

/// What address paths end with, and the media types of that. A table of our own: a newer release
/// of somebody else's would change published bytes.
const MEDIA_TYPES: &[(&str, &str)] = &[
    ("aac", "audio/aac"),
    ("avif", "image/avif"),
    ("csv", "text/csv"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("ico", "image/vnd.microsoft.icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/mp4"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("srt", "application/x-subrip"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("torrent", "application/x-bittorrent"),
    ("txt", "text/plain"),
    ("vtt", "text/vtt"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("zip", "application/zip"),
];

/// The media type that the ending of an address's path tells; never a guess.
pub fn media_type(url: &str) -> Option<&'static str> {
    let url = Url::parse(url).ok()?;
    let (stem, ending) = url.path_segments()?.next_back()?.rsplit_once('.')?;
    let known = |(known, _): &&(&str, &str)| known.eq_ignore_ascii_case(ending);
    MEDIA_TYPES.iter().find(known).filter(|_| !stem.is_empty()).map(|(_, media_type)| *media_type)
}

/// What is played with a record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Embed {
    /// Where it is.
    pub url: String,
    /// What that is.
    pub source: Source,
}

/// What the address of an embed leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Source {
    /// A page that plays a video.
    Player,
    /// A video itself.
    Video,
    /// A recording itself.
    Audio,
}

/// The first thing to play in sanitised HTML.
pub(super) fn embed(html: &str) -> Option<Embed> {
    // What the sources that come next are sources of.
    let mut source = None;
    tags(html).find_map(|(name, tag)| {
        match name {
            "iframe" => source = Some(Source::Player),
            "video" => source = Some(Source::Video),
            "audio" => source = Some(Source::Audio),
            "source" => {}
            _ => return None,
        }
        let url = htmlize::unescape_attribute(attribute(tag, "src")?);
        let source = source.filter(|_| link::is_web(&url))?;
        Some(Embed { url: url.into_owned(), source })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_endings_of_paths_have_a_media_type() {
        for (url, expected) in [
            ("https://a.example/b.jpg", Some("image/jpeg")),
            ("https://a.example/b/C.JPEG?size=1.png#d.gif", Some("image/jpeg")),
            ("https://a.example/a.tar.gz", Some("application/gzip")),
            ("https://a.example/b.mp3", Some("audio/mpeg")),
            ("https://a.example/b.php?file=c.jpg", None),
            ("https://a.example/b.jpg/", None),
            ("https://a.example/.zip", None),
            ("https://a.example/zip", None),
            ("https://a.zip", None),
            ("https://a.example/b.unknown", None),
            ("mp3", None),
        ] {
            assert_eq!(media_type(url), expected, "{url}");
        }
    }

    #[test]
    fn the_first_thing_to_play_is_the_embed() {
        for (html, expected) in [
            ("<p>a</p>", None),
            (
                "<p><iframe width=\"5\" src=\"https://a.example/?a=1&amp;b=2\"></iframe></p>",
                Some(("https://a.example/?a=1&b=2", Source::Player)),
            ),
            (
                "<video src=\"https://a.example/b\"></video><iframe src=\"https://a.example/\"></iframe>",
                Some(("https://a.example/b", Source::Video)),
            ),
            (
                "<audio><source type=\"x\"><source src=\"https://a.example/&quot;b&lt;.mp3\"></audio>",
                Some(("https://a.example/\"b<.mp3", Source::Audio)),
            ),
            (
                "<video title=\"x src=\" src=\"https://a.example/b\"></video>",
                Some(("https://a.example/b", Source::Video)),
            ),
            ("<picture><source src=\"https://a.example/a.png\"></picture>", None),
            ("<video src=\"mailto:a@b.example\"></video>", None),
        ] {
            let found = embed(html);
            assert_eq!(found.as_ref().map(|embed| (&*embed.url, embed.source)), expected, "{html}");
        }
    }
}
