//! Sanitises HTML, and Markdown rendered as HTML.
//!
//! `ammonia` removes scripts and everything else that is dangerous. It filters one attribute at a time, so
//! elements that are removed because of their attributes are pruned from its output.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use ammonia::{Builder, UrlRelative};
use url::Url;

use super::attributes::kept_value;
use super::markdown;
use super::nesting::is_too_deep;
use super::prune::prune;
use crate::seed::form::Markup;
use crate::text::clean;

/// Limit on the bytes that addresses take once they are absolute.
pub(in crate::seed) const MAX_ADDRESS_BYTES: usize = 16 << 20;

/// The reason why a part of the content cannot be shown.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::seed) enum ContentError {
    /// Elements nest too deeply.
    TooDeep,
    /// The absolute addresses would take too much memory: there are many of them, and the base is long.
    TooManyAddresses,
}

/// Returns text as harmless HTML with absolute addresses, and with frames of these hosts alone.
///
/// # Errors
///
/// The text would take too much time or memory.
pub(in crate::seed) fn sanitize(
    markup: Markup,
    text: &str,
    base: &Url,
    frame_hosts: &[String],
) -> Result<String, ContentError> {
    if markup == Markup::Markdown
        && let Some(html) = markdown::render_sanitized(text, base)
    {
        return Ok(cleaned(html));
    }
    let text = &*match markup {
        Markup::Html => Cow::Borrowed(text),
        Markup::Markdown => Cow::Owned(markdown::render(text)),
    };
    if is_too_deep(text) {
        return Err(ContentError::TooDeep);
    }
    // Each attribute has a `=`, and each further address of a `srcset` a `,`.
    let addresses = text.matches(['=', ',']).count();
    if addresses.saturating_mul(base.as_str().len()) > MAX_ADDRESS_BYTES {
        return Err(ContentError::TooManyAddresses);
    }
    let (base, frame_hosts) = (base.clone(), frame_hosts.to_vec());
    let mut builder = Builder::default();
    builder
        // Elements that reverse or annotate text are removed, since few feed readers support them.
        .rm_tags(["bdo", "rtc"])
        .add_tags(["audio", "iframe", "picture", "source", "video"])
        .add_clean_content_tags(["title", "noscript", "template", "object", "svg", "math"])
        .add_tag_attributes("iframe", ["src", "width", "height", "allowfullscreen"])
        .add_tag_attributes("img", ["srcset"])
        .add_tag_attributes("source", ["src", "srcset", "type"])
        .add_tag_attributes("video", ["src", "poster", "width", "height", "controls"])
        .add_tag_attributes("audio", ["src", "controls"])
        .generic_attributes(HashSet::from(["style", "hidden", "title", "lang", "dir"]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::RewriteWithBase(base.clone()))
        .link_rel(None)
        // `autoplay` is removed, so players need controls.
        .set_tag_attribute_values(HashMap::from([
            ("audio", HashMap::from([("controls", "")])),
            ("video", HashMap::from([("controls", "")])),
        ]))
        .attribute_filter(move |element, attribute, value| {
            kept_value(element, attribute, value, &base, &frame_hosts)
        });
    Ok(cleaned(prune(&builder.clean(text).to_string())))
}

/// Returns HTML without surrounding white space and without the characters that XML forbids, which may have been
/// written as entities.
pub(super) fn cleaned(html: String) -> String {
    match clean(html.trim()) {
        Cow::Borrowed(same) if same.len() == html.len() => html,
        cleaned => cleaned.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, markup: Markup) -> Result<String, ContentError> {
        let base = Url::parse("https://a.example/b/c").unwrap();
        sanitize(markup, text, &base, &["www.youtube.com".to_owned()])
    }

    #[test]
    fn html_is_harmless_with_absolute_addresses() {
        for (text, expected) in [
            ("<p onclick='x'>a<script>b</script></p>", "<p>a</p>"),
            (
                "<a href='javascript:x'>a</a><a href='d?e=1&amp;f=2#g'>a</a>",
                "<a>a</a><a href=\"https://a.example/b/d?e=1&amp;f=2#g\">a</a>",
            ),
            (
                "<img src='/x.png' alt='a > b' width=640px>",
                "<img src=\"https://a.example/x.png\" alt=\"a &gt; b\" width=\"640\">",
            ),
            ("<img src='data:x'><img src='x' width=1 height=1>a", "a"),
            (
                "<img src='x' srcset='x 1x, javascript:y 2x, /z 3x'>",
                "<img src=\"https://a.example/b/x\" srcset=\"https://a.example/b/x 1x, https://a.example/z 3x\">",
            ),
            (
                "<img src='x' srcset='x 1x,javascript:y 2x,z, //b.example/a,b.png'>",
                "<img src=\"https://a.example/b/x\" srcset=\"https://a.example/b/x 1x, https://a.example/b/z, https://b.example/a,b.png\">",
            ),
            (
                "<q cite='javascript:x'>a</q><q cite='d'>b</q><img src='mailto:a@b.example'>",
                "<q>a</q><q cite=\"https://a.example/b/d\">b</q>",
            ),
            (
                "<a href=' MAILTO:a@b.example'>a</a><a href=' /d e '>b</a>",
                "<a href=\"mailto:a@b.example\">a</a><a href=\"https://a.example/d%20e\">b</a>",
            ),
            (
                "<iframe src='https://a@www.youtube.com/x'></iframe><iframe src='//www.youtube.com:1/x'></iframe>a",
                "a",
            ),
            (
                "<iframe src='https://www.youtube.com/embed/x' width=5></iframe>",
                "<iframe src=\"https://www.youtube.com/embed/x\" width=\"5\"></iframe>",
            ),
            (
                "a<iframe src='http://www.youtube.com/embed/x'></iframe>",
                "a<iframe src=\"https://www.youtube.com/embed/x\"></iframe>",
            ),
            ("a<iframe src='http://www.example.com/embed/x'></iframe>", "a"),
            ("<a href='#top'>a</a> <a href=' #1'>b</a>", "<a>a</a> <a>b</a>"),
            (
                "<video src=v.mp4 autoplay></video>",
                "<video src=\"https://a.example/b/v.mp4\" controls=\"\"></video>",
            ),
            ("<img src=p style='width:1px; height:1px'>a<img src=p style='WIDTH: 1.0px !important'>", "a"),
            ("<img src=p width='1.0'><img src=p width=' 1 ' height='1 px'><img src=p width='0%'>a", "a"),
            ("<img src=p width='100%'>", "<img src=\"https://a.example/b/p\">"),
            (
                "<p style='visibility:hidden'>a</p><p style='opacity: 0'>a</p><p style='mso-hide:all'>a</p>b",
                "b",
            ),
            ("<div style='max-height:0px;overflow:hidden'>a</div>b", "b"),
            ("<td style='font-size:0'>b</td>", "b"),
            (
                "<a href='HTTPS://A.example/a b?[c]&amp;d|e'>a</a><a href='mailto:a@b.example'>b</a>",
                "<a href=\"https://a.example/a%20b?%5Bc%5D&amp;d%7Ce\">a</a><a href=\"mailto:a@b.example\">b</a>",
            ),
            ("a<iframe src='https://evil.example/'><b>x</b></iframe>b", "ab"),
            (
                "<video poster='p' src='v.mp4'></video>",
                "<video poster=\"https://a.example/b/p\" src=\"https://a.example/b/v.mp4\" controls=\"\"></video>",
            ),
            ("<div style='DISPLAY : none'>x<div>y</div></div><p style='color:red'>z</p>", "<p>z</p>"),
            ("<p hidden>x</p>y", "y"),
            ("<div title='x style=' style='display:none'>secret</div>a", "a"),
            ("<img src='x' alt='x width=' title='x height=' width=1 height=1>a", "a"),
            ("<iframe title='x src=' src='https://evil.example/'></iframe>a", "a"),
            ("<p title='x hidden='>visible</p>", "<p title=\"x hidden=\">visible</p>"),
            ("<bdo dir=rtl>a</bdo><ruby>b<rtc><rt>c</rt></rtc></ruby>", "a<ruby>b<rt>c</rt></ruby>"),
            ("a\u{80}b&#150;c\u{85}d", "ab\u{2013}c d"),
            ("<html><head><title>t</title><style>s</style></head><body><p>b</p></body></html>", "<p>b</p>"),
            ("<svg><script>x</script></svg><math><mi>y</mi></math>z", "z"),
        ] {
            assert_eq!(shown(text, Markup::Html).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn markdown_has_tables_footnotes_and_code() {
        let text = "# T\n\na | b\n--|--\n1 | 2\n\n`x<y>`[^1] ~~s~~\n\n[^1]: note\n\n<script>x</script>";
        let content = shown(text, Markup::Markdown).unwrap();
        for part in ["<h1>T</h1>", "<td>1</td>", "<code>x&lt;y&gt;</code>", "<del>s</del>", "note"] {
            assert!(content.contains(part), "{part}: {content}");
        }
        assert!(!content.contains("script"), "{content}");
    }

    #[test]
    fn deep_nesting_and_long_srcsets_are_refused_early() {
        assert_eq!(shown(&"<b>".repeat(100_000), Markup::Html), Err(ContentError::TooDeep));
        assert_eq!(shown(&"> ".repeat(100_000), Markup::Markdown), Err(ContentError::TooDeep));
        assert!(shown(&"<p>a<br><b>x</b>".repeat(1000), Markup::Html).is_ok());
        let set = format!("<img src=x srcset=\"{}\">", "x, ".repeat(1 << 20));
        assert_eq!(shown(&set, Markup::Html), Err(ContentError::TooManyAddresses));
    }
}
