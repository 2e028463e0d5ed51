//! Media: the types of files, by their addresses, and the player of a record.

use url::Url;

use super::html::start_tags;
use super::link;

/// Media types by the ending of a path. The table is our own, since a table in a library could change with a
/// release, and with it the bytes of feeds.
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

/// Returns the media type for the ending of the path of an address, if it is a known one.
pub fn media_type(url: &str) -> Option<&'static str> {
    let url = Url::parse(url).ok()?;
    let (stem, ending) = url.path_segments()?.next_back()?.rsplit_once('.')?;
    let known = |(known, _): &&(&str, &str)| known.eq_ignore_ascii_case(ending);
    MEDIA_TYPES.iter().find(known).filter(|_| !stem.is_empty()).map(|(_, media_type)| *media_type)
}

/// A player, video or recording that a record shows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Embed {
    /// The address.
    pub url: String,
    /// The kind of file at the address.
    pub kind: EmbedKind,
}

/// The kind of file at the address of an embed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum EmbedKind {
    /// A page that plays a video.
    Player,
    /// A video file.
    Video,
    /// An audio file.
    Audio,
}

/// Returns the first embed in sanitised HTML.
pub(super) fn embed(html: &str) -> Option<Embed> {
    // The kind of element that a `source` belongs to.
    let mut kind = None;
    start_tags(html).find_map(|tag| {
        match tag.name() {
            "iframe" => kind = Some(EmbedKind::Player),
            "video" => kind = Some(EmbedKind::Video),
            "audio" => kind = Some(EmbedKind::Audio),
            "source" => {}
            _ => return None,
        }
        let url = tag.attribute("src").filter(|url| link::is_web(url))?;
        Some(Embed { url: url.to_owned(), kind: kind? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_type_is_by_known_ending_of_the_path() {
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
    fn embed_is_the_first_player_or_file() {
        for (html, expected) in [
            ("<p>a</p>", None),
            (
                "<p><iframe width=\"5\" src=\"https://a.example/?a=1&amp;b=2\"></iframe></p>",
                Some(("https://a.example/?a=1&b=2", EmbedKind::Player)),
            ),
            (
                "<video src=\"https://a.example/b\"></video><iframe src=\"https://a.example/\"></iframe>",
                Some(("https://a.example/b", EmbedKind::Video)),
            ),
            (
                "<audio><source type=\"x\"><source src=\"https://a.example/&quot;b&lt;.mp3\"></audio>",
                Some(("https://a.example/\"b<.mp3", EmbedKind::Audio)),
            ),
            (
                "<video title=\"x src=\" src=\"https://a.example/b\"></video>",
                Some(("https://a.example/b", EmbedKind::Video)),
            ),
            ("<picture><source src=\"https://a.example/a.png\"></picture>", None),
            ("<video src=\"mailto:a@b.example\"></video>", None),
        ] {
            let found = embed(html);
            assert_eq!(found.as_ref().map(|embed| (&*embed.url, embed.kind)), expected, "{html}");
        }
    }
}
