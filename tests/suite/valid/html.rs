//! HTML in feeds: harmless, complete, and the same at any address.

use html5gum::{StartTag, Token, Tokenizer};

use super::{Faults, value};

/// The hosts whose video players are allowed.
const FRAME_HOSTS: &[&str] = &["www.youtube.com", "www.youtube-nocookie.com", "player.vimeo.com"];

/// The elements that the validator takes for harmless, with frames and without form controls.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "article",
    "aside",
    "audio",
    "b",
    "bdi",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "dd",
    "del",
    "details",
    "dfn",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "i",
    "iframe",
    "img",
    "ins",
    "kbd",
    "li",
    "main",
    "map",
    "mark",
    "nav",
    "ol",
    "p",
    "picture",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "track",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "wbr",
];

/// HTML §13.1.2: void elements.
const VOID: &[&str] = &["area", "br", "col", "hr", "img", "source", "track", "wbr"];

/// Attributes with an address.
const ADDRESSES: &[&str] = &["href", "src", "poster", "cite", "longdesc", "background", "usemap", "ping"];

/// Links that a person follows; these may be mailto: addresses.
const FOLLOWED: &[&str] = &["a", "area"];

pub(super) fn check(place: &str, html: &str, faults: &mut Faults) {
    let mut open: Vec<String> = Vec::new();
    for Ok(token) in Tokenizer::new(html) {
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                check_element(place, &name, &tag, faults);
                if !VOID.contains(&name.as_str()) {
                    open.push(name);
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                if open.pop().as_ref() != Some(&name) {
                    return faults.add(place, format!("has </{name}> without a matching start tag"));
                }
            }
            Token::Comment(_) | Token::Doctype(_) => faults.add(place, "has markup other than elements"),
            Token::Error(error) => faults.add(place, format!("is not HTML: {}", error.value)),
            Token::String(_) => {}
        }
    }
    faults.check(place, open.is_empty(), format!("has unclosed elements: {}", open.join(" ")));
}

fn check_element(place: &str, name: &str, tag: &StartTag<()>, faults: &mut Faults) {
    faults.check(place, ELEMENTS.contains(&name), format!("has the element {name}"));
    let mut has_source = false;
    for (attribute, value) in &tag.attributes {
        let attribute = &*String::from_utf8_lossy(attribute);
        let value = &*String::from_utf8_lossy(&value.value);
        let forbidden = attribute.starts_with("on") || ["style", "hidden", "srcdoc"].contains(&attribute);
        faults.check(place, !forbidden, format!("has the attribute {attribute} of {name}"));
        let mut check_address = |address: &str| {
            let letter = FOLLOWED.contains(&name) && address.starts_with("mailto:");
            let holds = |kind: &str| format!("has {attribute} of {name} that {kind}: {address:?}");
            faults.check(place, letter || is_absolute(address), holds("is not an absolute address"));
            let spaced = address.contains(|c: char| c.is_whitespace() || c.is_control());
            faults.check(place, !spaced, holds("has white space"));
        };
        if ADDRESSES.contains(&attribute) {
            check_address(value);
        }
        if attribute == "srcset" {
            candidates(value).into_iter().for_each(check_address);
        }
        if (name, attribute) == ("iframe", "src") {
            has_source = true;
            let host = value.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
            let known = host.is_some_and(|host| FRAME_HOSTS.contains(&host));
            faults.check(place, known, format!("has a frame of an unknown video player: {value:?}"));
        }
    }
    faults.check(place, name != "iframe" || has_source, "has a frame without a source");
}

fn is_absolute(address: &str) -> bool {
    let host = address.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    value::is_web(address) && !host.is_empty() && !host.starts_with('/')
}

/// Returns the addresses of a `srcset` (HTML §4.8.4.2.1): each ends with white space, and its size with a comma.
fn candidates(set: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = set;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.is_empty() {
            return found;
        }
        let (address, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        found.push(address.trim_end_matches(','));
        rest =
            if address.ends_with(',') { after } else { after.split_once(',').map_or("", |(_, rest)| rest) };
    }
}

#[test]
fn every_html_violation_is_found() {
    let found = |html: &str| {
        let mut faults = Faults::default();
        check("content", html, &mut faults);
        faults.0.join("; ")
    };
    for good in [
        "a &lt; b &amp; c",
        "<p>a<br>b <img src=\"https://a.example/b.png\" alt=\"\"></p>",
        "<a href=\"https://a.example/?b=1&amp;c=2#d\">a</a> <a href=\"mailto:a@b.example\">b</a>",
        "<img srcset=\"https://a.example/b,c.png 2x, http://a.example/d.png\">",
        "<iframe src=\"https://player.vimeo.com/video/1\"></iframe>",
    ] {
        assert_eq!(found(good), "", "{good}");
    }
    for (bad, expected) in [
        ("<script>a</script>", "content has the element script"),
        ("<style>a</style>", "content has the element style"),
        ("<object></object>", "content has the element object"),
        ("<form></form>", "content has the element form"),
        ("<blink>a</blink>", "content has the element blink"),
        ("<p>a", "content has unclosed elements: p"),
        ("<b><i>a</b></i>", "content has </b> without a matching start tag"),
        ("a</p>", "content has </p> without a matching start tag"),
        ("<!-- a -->", "content has markup other than elements"),
        ("<p a=\"1\" a=\"2\">a</p>", "content is not HTML: duplicate-attribute"),
        ("<p onclick=\"a\">a</p>", "content has the attribute onclick of p"),
        ("<p style=\"a\">a</p>", "content has the attribute style of p"),
        ("<p hidden=\"\">a</p>", "content has the attribute hidden of p"),
        (
            "<a href=\"JAVASCRIPT:a()\">a</a>",
            "content has href of a that is not an absolute address: \"JAVASCRIPT:a()\"",
        ),
        (
            "<img src=\"data:image/gif;base64,R0\">",
            "content has src of img that is not an absolute address: \"data:image/gif;base64,R0\"",
        ),
        ("<a href=\"#a\">a</a>", "content has href of a that is not an absolute address: \"#a\""),
        (
            "<img src=\"//a.example/b\">",
            "content has src of img that is not an absolute address: \"//a.example/b\"",
        ),
        (
            "<img src=\"https:///b\">",
            "content has src of img that is not an absolute address: \"https:///b\"",
        ),
        (
            "<img src=\"mailto:a@b\">",
            "content has src of img that is not an absolute address: \"mailto:a@b\"",
        ),
        (
            "<video poster=\"a\"></video>",
            "content has poster of video that is not an absolute address: \"a\"",
        ),
        (
            "<a href=\"https://a.example/b c\">a</a>",
            "content has href of a that has white space: \"https://a.example/b c\"",
        ),
        (
            "<img srcset=\"https://a.example/b 2x, c 3x\">",
            "content has srcset of img that is not an absolute address: \"c\"",
        ),
        (
            "<img srcset=\"b.png, https://a.example/c\">",
            "content has srcset of img that is not an absolute address: \"b.png\"",
        ),
        ("<iframe></iframe>", "content has a frame without a source"),
        (
            "<iframe src=\"https://www.youtube.com.evil.example/\"></iframe>",
            "content has a frame of an unknown video player: \"https://www.youtube.com.evil.example/\"",
        ),
        (
            "<iframe src=\"http://www.youtube.com/embed/a\"></iframe>",
            "content has a frame of an unknown video player: \"http://www.youtube.com/embed/a\"",
        ),
    ] {
        assert_eq!(found(bad), expected, "{bad}");
    }
}
