//! Pages: complete, harmless, and within their content security policy.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use html5gum::{StartTag, Token, Tokenizer};
use sha2::{Digest, Sha256};

use super::{Breach, Faults, value};

/// The elements of the templates; none of them loads another address.
const ELEMENTS: &[&str] = &[
    "a", "article", "body", "button", "code", "dd", "details", "dialog", "div", "dl", "dt", "fieldset",
    "footer", "form", "h1", "h2", "h3", "head", "header", "html", "img", "input", "label", "legend", "li",
    "link", "main", "meta", "nav", "ol", "option", "output", "p", "path", "script", "section", "select",
    "small", "span", "style", "summary", "svg", "time", "title", "ul",
];

/// HTML §13.1.2: void elements.
const VOID: &[&str] = &["img", "input", "link", "meta"];

/// The facts collected from a whole page.
#[derive(Default)]
struct Seen {
    elements: Vec<String>,
    canonical: Vec<String>,
    /// The media types and addresses of the same feed in other formats.
    alternates: Vec<(String, String)>,
    styles: Vec<String>,
    policy: String,
}

pub(super) fn check(html: &str, own: &str, faults: &mut Faults) {
    let (mut open, mut seen): (Vec<String>, _) = (Vec::new(), Seen::default());
    let mut begun = false;
    for Ok(token) in Tokenizer::new(html) {
        if let Token::Doctype(_) = token {
            faults.check("the page", !begun, "has a doctype that is not its beginning");
            begun = true;
            continue;
        }
        faults.check("the page", std::mem::replace(&mut begun, true), "does not begin with its doctype");
        match token {
            Token::StartTag(tag) => {
                let name = text(&tag.name);
                check_element(&name, &tag, &mut seen, faults);
                seen.elements.push(name.clone());
                // SVG elements may be self-closing (HTML §13.1.2.1).
                if !VOID.contains(&name.as_str()) && !tag.self_closing {
                    open.push(name);
                }
            }
            Token::EndTag(tag) => {
                let name = text(&tag.name);
                if open.pop().as_ref() != Some(&name) {
                    return faults.add("the page", format!("has </{name}> without a matching start tag"));
                }
            }
            Token::Comment(_) => faults.add("the page", "has a comment"),
            Token::Error(error) => faults.add("the page", format!("is not HTML: {}", error.value)),
            Token::String(part) => match open.last().map(String::as_str) {
                Some("style") => seen.styles.push(text(&part.value)),
                Some("script") => faults.add("the page", "has a script of its own"),
                _ => {}
            },
            Token::Doctype(_) => {}
        }
    }
    faults.check("the page", open.is_empty(), format!("has unclosed elements: {}", open.join(" ")));
    for name in ["html", "head", "title", "body", "h1", "main"] {
        let count = seen.elements.iter().filter(|element| *element == name).count();
        faults.check("the page", count == 1, format!("has the element {name} {count} times"));
    }
    let style = seen.styles.concat();
    check_style(&style, faults);
    let allowed = format!("style-src 'sha256-{}';", BASE64_STANDARD.encode(Sha256::digest(&style)));
    faults.check("the page", seen.policy.contains(&allowed), "has a style that its policy does not allow");
    let inline = seen.policy.contains("unsafe");
    faults.check("the page", !inline, "has a policy that allows inline code");
    faults.check("the page", seen.canonical == [own], format!("is canonical at {:?}", seen.canonical));
    let types: Vec<_> = seen.alternates.iter().map(|(media_type, _)| media_type.as_str()).collect();
    let formats = ["application/rss+xml", "application/atom+xml", "application/feed+json"];
    faults.check("the page", types == formats, format!("leads readers to {:?}", seen.alternates));
}

fn check_element(name: &str, tag: &StartTag<()>, seen: &mut Seen, faults: &mut Faults) {
    let value = |wanted: &str| {
        let found = tag.attributes.iter().find(|(attribute, _)| text(attribute) == wanted);
        found.map(|(_, value)| text(&value.value))
    };
    faults.check("the page", ELEMENTS.contains(&name), format!("has the element {name}"));
    for (attribute, value) in &tag.attributes {
        let (attribute, value) = (text(attribute), text(&value.value));
        let harmless = !attribute.starts_with("on") && !["style", "srcset", "srcdoc"].contains(&&*attribute);
        faults.check("the page", harmless, format!("has the attribute {attribute} of {name}"));
        if ["href", "src", "action"].contains(&attribute.as_str()) {
            let same_site = !value.starts_with("//") && !value.contains(':');
            // An app opens a feed: address like http.
            let opened = value.strip_prefix("feed://").filter(|_| name == "a");
            let value = opened.map_or_else(|| value.clone(), |rest| format!("http://{rest}"));
            let leads = same_site || value::is_web(&value);
            faults.check("the page", leads, format!("has {attribute} of {name} that leads to {value:?}"));
        }
    }
    let must = |attribute: &str, faults: &mut Faults| {
        let present = value(attribute).is_some();
        faults.check("the page", present, format!("has {name} without {attribute}"));
    };
    match name {
        "html" => must("lang", faults),
        "img" => ["src", "alt"].iter().for_each(|attribute| must(attribute, faults)),
        "time" => {
            if let Some(date) = value("datetime") {
                let whole = if date.len() == "2024-01-01".len() { format!("{date}T00:00:00Z") } else { date };
                faults.check_value("time", value::rfc3339, &whole);
            }
        }
        "meta" if value("http-equiv").is_some() => seen.policy.extend(value("content")),
        "script" => {
            must("defer", faults);
            let ours = value("src").is_some_and(|src| src.starts_with('/') && !src.starts_with("//"));
            faults.check("the page", ours, "runs a script of another site");
        }
        "link" => match value("rel").as_deref() {
            Some("canonical") => seen.canonical.extend(value("href")),
            Some("alternate") => {
                must("title", faults);
                seen.alternates.push((value("type").unwrap_or_default(), value("href").unwrap_or_default()));
            }
            Some("icon") => {}
            other => faults.add("the page", format!("has a link of the relation {other:?}")),
        },
        _ => {}
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the headings of the entries, as browsers show them.
pub(crate) fn headings(html: &str) -> Vec<String> {
    let (mut headings, mut within) = (Vec::new(), false);
    for Ok(token) in Tokenizer::new(html) {
        match token {
            Token::StartTag(tag) if *tag.name == b"h3"[..] => {
                within = true;
                headings.push(String::new());
            }
            Token::EndTag(tag) if *tag.name == b"h3"[..] => within = false,
            Token::String(part) if within => headings.iter_mut().last().unwrap().push_str(&text(&part.value)),
            _ => {}
        }
    }
    headings
}

/// Checks that a stylesheet loads no address and closes every brace.
fn check_style(css: &str, faults: &mut Faults) {
    for word in ["@import", "url(", "expression(", "</", "javascript:"] {
        faults.check("the stylesheet", !css.contains(word), format!("has {word}"));
    }
    let mut depth = 0_i32;
    for character in css.chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        if depth < 0 {
            break;
        }
    }
    faults.check("the stylesheet", depth == 0, "has an unclosed brace");
}

const GOOD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Snails</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-QOG1bNummUdN8ru48JSfiQvU3BhjIqrKYbGcSs1G+Y8='; script-src 'self'">
<link rel="canonical" href="https://feeds.example.org/topics/snails">
<link rel="alternate" type="application/rss+xml" title="Snails" href="https://feeds.example.org/topics/snails.rss">
<link rel="alternate" type="application/atom+xml" title="Snails" href="https://feeds.example.org/topics/snails.atom">
<link rel="alternate" type="application/feed+json" title="Snails" href="https://feeds.example.org/topics/snails.json">
<style>a { b: c }</style><script src="/script.js" defer></script></head>
<body><main><h1>Snails</h1><p><a href="/">Feeds</a> <a href="feed://feeds.example.org/all.atom">App</a> <a href="https://a.example/">A &amp; B</a>
<img src="https://a.example/a.png" alt="" loading="lazy"><time datetime="2024-01-01T00:00:00+00:00">1 January</time></p>
</main></body></html>
"#;

const BREACHES: &[Breach] = &[
    ("<!doctype html>", "", &["the page does not begin with its doctype"]),
    (" lang=\"en\"", "", &["the page has html without lang"]),
    ("<title>Snails</title>", "", &["the page has the element title 0 times"]),
    ("<h1>Snails</h1>", "", &["the page has the element h1 0 times"]),
    ("</main>", "", &["the page has </body> without a matching start tag"]),
    (
        "A &amp; B",
        "<script>a</script>",
        &[
            "the page has script without defer",
            "the page runs a script of another site",
            "the page has a script of its own",
        ],
    ),
    ("A &amp; B", "<!-- a -->", &["the page has a comment"]),
    ("<p>", "<p style=\"color:red\">", &["the page has the attribute style of p"]),
    ("<p>", "<p onclick=\"a()\">", &["the page has the attribute onclick of p"]),
    (
        "href=\"https://a.example/\"",
        "href=\"javascript:a()\"",
        &["the page has href of a that leads to \"javascript:a()\""],
    ),
    ("href=\"/\"", "href=\"//a.example/\"", &["the page has href of a that leads to \"//a.example/\""]),
    (" alt=\"\"", "", &["the page has img without alt"]),
    ("2024-01-01T", "2024-13-01T", &["time is not an RFC 3339 date: \"2024-13-01T00:00:00+00:00\""]),
    (
        "rel=\"canonical\" href=\"https://feeds.example.org/topics/snails\"",
        "rel=\"canonical\" href=\"https://feeds.example.org/topics/slugs\"",
        &["the page is canonical at [\"https://feeds.example.org/topics/slugs\"]"],
    ),
    ("/script.js", "https://a.example/script.js", &["the page runs a script of another site"]),
    ("a { b: c }", "a { b: d }", &["the page has a style that its policy does not allow"]),
    ("'self'", "'self' 'unsafe-inline'", &["the page has a policy that allows inline code"]),
    (
        "href=\"feed:",
        "href=\"mail:",
        &["the page has href of a that leads to \"mail://feeds.example.org/all.atom\""],
    ),
];

#[test]
fn every_page_violation_is_found() {
    super::each_breach_is_found("topics/snails/index.html", GOOD, BREACHES);
    let found = |css: &str| {
        let mut faults = Faults::default();
        check_style(css, &mut faults);
        faults.0.join("; ")
    };
    assert_eq!(found("a { b: c }"), "");
    assert_eq!(found("@media x { a { b: c }"), "the stylesheet has an unclosed brace");
    assert_eq!(found("a { b: url(x) }"), "the stylesheet has url(");
}
