//! Hostile and damaged seeds: each becomes a harmless entry or a fault, and none affects another.

use std::collections::BTreeMap;
use std::fs;

use sower::config::args::Settings;
use sower::render::Format;

use crate::cold::{self, Tree};
use crate::valid;

/// The expected result of a seed.
enum Outcome {
    /// An entry with this title.
    Title(&'static str),
    /// An entry with this summary.
    Summary(&'static str),
    /// An entry whose content contains this.
    Has(&'static str),
    /// An entry with exactly this content.
    Content(&'static str),
    /// An entry with this link.
    Link(&'static str),
    /// An entry in the topic of this name.
    Topic(&'static str),
    /// No entry, and a fault with this reason.
    Fault(&'static str),
    /// No entry and no fault: the file is not a seed, or its record is held.
    Nothing,
}
use Outcome::{Content, Fault, Has, Link, Nothing, Summary, Title, Topic};

struct Row {
    name: String,
    ending: &'static str,
    bytes: Vec<u8>,
    outcome: Outcome,
}

fn raw(ending: &'static str, bytes: impl Into<Vec<u8>>, outcome: Outcome) -> Row {
    Row { name: String::new(), ending, bytes: bytes.into(), outcome }
}

/// A seed with these lines of front matter, completed with a title, a topic and a date.
fn front(lines: &str, outcome: Outcome) -> Row {
    seed("md", lines, "", outcome)
}

fn html(body: &str, outcome: Outcome) -> Row {
    seed("html", "", body, outcome)
}

fn markdown(body: &str, outcome: Outcome) -> Row {
    seed("md", "", body, outcome)
}

fn seed(ending: &'static str, lines: &str, body: &str, outcome: Outcome) -> Row {
    raw(ending, format!("---\n{}---\n{body}", completed(lines)), outcome)
}

fn completed(lines: &str) -> String {
    let mut text = String::new();
    for (key, line) in [
        ("title", "title: Row"),
        ("topics", "topics: Hostile"),
        ("date", "date: 2024-01-01"),
        ("id", "id: urn:example:row:NAME"),
    ] {
        let there = lines.lines().any(|line| line.starts_with(&format!("{key}:")));
        if !there {
            text += line;
            text.push('\n');
        }
    }
    text + lines + if lines.is_empty() || lines.ends_with('\n') { "" } else { "\n" }
}

fn numbered(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().concat()
}

/// Fields of every kind with the same text.
fn everywhere(text: &str) -> String {
    format!(
        "title: '{text}'\nexcerpt: '{text}'\ntopics: ['{text} x']\ntype: '{text}'\ncategory: '{text}'\nprovider: {{name: '{text}', domain: a.example, authors: [{{name: '{text}'}}], images: [{{url: '{text}'}}]}}\nimages: [{{url: 'https://a.example/i.png', title: '{text}'}}, {{url: '{text}'}}]\nrelated: [{{title: '{text}', webUrl: 'https://a.example/r', provider: {{name: '{text}'}}}}, {{title: a, webUrl: '{text}'}}]\nactions: [{{url: 'https://a.example/x.zip', title: '{text}', type: '{text}'}}, {{url: '{text}', title: a}}]\nfeaturedContent: '{text}'\nlength: '{text}'\nlanguage: '{text}'\n"
    )
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<Row> {
    let address = |address: &str| format!("webUrl: \"{address}\"\n");
    let mut rows = vec![
        // Text that closes or opens the syntax around it.
        front(&everywhere("]]>"), Title("]]>")),
        front(&everywhere("]]></title></item>"), Title("]]></title></item>")),
        front(&everywhere("<![CDATA[x"), Title("<![CDATA[x")),
        front(&everywhere("--><!--"), Title("--><!--")),
        front(&everywhere("<?xml version=\"1.0\"?>"), Title("<?xml version=\"1.0\"?>")),
        front(
            &everywhere("<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>&b;"),
            Title("<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>&b;"),
        ),
        front(&everywhere("\"><script>alert(1)</script>"), Title("\"><script>alert(1)</script>")),
        front(&everywhere("<script>alert(1)</script>"), Title("<script>alert(1)</script>")),
        front(&everywhere("\" onerror=\"alert(1)"), Title("\" onerror=\"alert(1)")),
        front(&everywhere("javascript:alert(1)"), Title("javascript:alert(1)")),
        front(
            &everywhere("</textarea></style></script><svg onload=alert(1)>"),
            Title("</textarea></style></script><svg onload=alert(1)>"),
        ),
        // Entities, escaped once and twice.
        front(&everywhere("&lt;script&gt;alert(1)&lt;/script&gt;"), Title("<script>alert(1)</script>")),
        front(&everywhere("&amp;lt;script&amp;gt;"), Title("&lt;script&gt;")),
        front(
            "title: 'a &#x3C;b&#62; &quot;c&quot; &rsquo; &nosuch; &#0; &#xD800; &#x110000;'\n",
            Title("a <b> \"c\" \u{2019} &nosuch; \u{FFFD} \u{FFFD} \u{FFFD}"),
        ),
        front(
            "title: Row\nexcerpt: '&amp;quot;twice&amp;quot; &copy; R&D ?a=1&copy=2'\n",
            Summary("&quot;twice&quot; © R&D ?a=1&copy=2"),
        ),
        // Characters that XML forbids, and control characters.
        front("title: \"a\\0b\\x01\\x08\\x0B\\x0C\\x0E\\x1F\\uFFFE\\uFFFFc\"\n", Title("abc")),
        front("title: \"a\\x7Fb\"\n", Title("ab")),
        front("title: \"a\\nb\\tc\\r\\nd\\u2028e\\u2029f\\x85g\"\n", Title("a b c d e f g")),
        front("title: 'a&#x1;b&#xFFFF;c'\n", Title("abc")),
        front("title: \"\u{FEFF}a\u{200B}b\u{200D}c\"\n", Title("\u{FEFF}a\u{200B}b\u{200D}c")),
        front(
            "title: '👩\u{200D}👩\u{200D}👧 family 🏳\u{FE0F}\u{200D}🌈'\n",
            Title("👩\u{200D}👩\u{200D}👧 family 🏳\u{FE0F}\u{200D}🌈"),
        ),
        front("title: 'שלום עולם'\n", Title("שלום עולם")),
        raw(
            "md",
            b"---\ntitle: a\xFFb\ntopics: t\ndate: 2024-01-01\n---\n".to_vec(),
            Fault("this is not UTF-8"),
        ),
        raw(
            "md",
            b"---\ntitle: a\xED\xA0\x80b\ntopics: t\ndate: 2024-01-01\n---\n".to_vec(),
            Fault("this is not UTF-8"),
        ),
        raw(
            "md",
            b"---\ntitle: a\xC0\xAFb\ntopics: t\ndate: 2024-01-01\n---\n".to_vec(),
            Fault("this is not UTF-8"),
        ),
        raw("md", b"---\ntitle: a\0b\ntopics: t\ndate: 2024-01-01\n---\n".to_vec(), Fault("a NUL byte")),
        raw(
            "md",
            "\u{FEFF}---\ntitle: Marked\ntopics: Hostile\ndate: 2024-01-01\nid: urn:example:row:NAME\n---\n",
            Title("Marked"),
        ),
        raw(
            "md",
            "---\r\ntitle: Windows\r\ntopics: Hostile\r\ndate: 2024-01-01\r\nid: urn:example:row:NAME\r\n---\r\nbody\r\n",
            Title("Windows"),
        ),
        raw(
            "md",
            "---\rtitle: Old Mac\rtopics: Hostile\rdate: 2024-01-01\rid: urn:example:row:NAME\r---\rbody\r",
            Nothing,
        ),
        raw(
            "md",
            "---\ntitle: UTF-16\n---\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
            Nothing,
        ),
        raw(
            "md",
            [&[0xFF, 0xFE][..], &"---\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()]
                .concat(),
            Fault("this is not UTF-8"),
        ),
        // Scripts and styles in bodies.
        html("<p onclick='a()' onmouseover=\"b()\" style='color:red'>a</p>", Content("<p>a</p>")),
        html("<script>alert(1)</script><SCRIPT SRC=//evil.example/x.js></SCRIPT>a", Content("a")),
        html("<scr<script>ipt>alert(1)</scr</script>ipt>", Has("ipt&gt;alert(1)")),
        html("<style>@import url(javascript:alert(1))</style><p>a</p>", Content("<p>a</p>")),
        html("<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>b", Content("b")),
        html("<math><maction xlink:href='javascript:alert(1)'>x</maction></math>b", Content("b")),
        html(
            "<form action='javascript:alert(1)'><input type=image src=x onerror=alert(1)><button formaction='javascript:x'>a</button></form>",
            Has("a"),
        ),
        html(
            "<object data='javascript:x'></object><embed src='javascript:x'><applet code=x></applet>a",
            Has("a"),
        ),
        html(
            "<meta http-equiv=refresh content='0;url=javascript:x'><link rel=stylesheet href=x><base href='//evil.example/'><a href='y'>a</a>",
            Has("127.0.0.1"),
        ),
        html(
            "<html><head><title>t</title><base href='https://evil.example/'></head><body onload=x><a href='/y'>a</a></body></html>",
            Has("http://127.0.0.1:8080/y"),
        ),
        html(
            "<iframe src='https://evil.example/'></iframe><iframe srcdoc='<script>x</script>'></iframe>a",
            Content("a"),
        ),
        html(
            "<iframe src='https://www.youtube.com/embed/x'><script>x</script><a href='y'>z</a>",
            Content("<iframe src=\"https://www.youtube.com/embed/x\"></iframe>"),
        ),
        html(
            "<iframe src='https://www.youtube.com/embed/x'></iframe><div hidden><iframe></iframe>y</div>a",
            Has("</iframe>a"),
        ),
        html("<iframe src='javascript:alert(1)//www.youtube.com/'></iframe>a", Content("a")),
        html(
            "<iframe src='https://www.youtube.com.evil.example/'></iframe><iframe src='https://www.youtube.com@evil.example/'></iframe>a",
            Content("a"),
        ),
        html(
            "<template><script>x</script></template><noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>a",
            Has("a"),
        ),
        html(
            "<a href='data:text/html,x'>a</a><a href='vbscript:x'>b</a><img src='data:image/svg+xml,x'><a href='file:///etc/passwd'>c</a>",
            Content("<a>a</a><a>b</a><a>c</a>"),
        ),
        html(
            "<img srcset='javascript:x 1x, data:y 2x'><video poster='javascript:x'></video><source src='data:x'>a",
            Has("a"),
        ),
        html(
            "<p xml:base='https://evil.example/'><a href='x'>a</a></p>",
            Has("<a href=\"http://127.0.0.1:8080/x\">a</a>"),
        ),
        html(
            "<a href=\"https://a.example/\" ping=\"https://evil.example/\" target=_blank download>a</a>",
            Content("<a href=\"https://a.example/\">a</a>"),
        ),
        html(
            "<img src='https://t.example/p.gif' width=1 height=1><img src='https://t.example/q.gif' style='display:none'>a",
            Content("a"),
        ),
        // An attribute's value that looks like another attribute.
        html("<div title='x style=' style='display:none'>secret</div>a", Content("a")),
        html(
            "<img src='https://t.example/p.gif' alt='x width=' title='x height=' width=1 height=1>a",
            Content("a"),
        ),
        html("<iframe title='x src=' src='https://evil.example/'></iframe>a", Content("a")),
        html("<p title='x hidden='>visible</p>", Content("<p title=\"x hidden=\">visible</p>")),
        // Broken HTML.
        html("<p><b><i>a", Content("<p><b><i>a</i></b></p>")),
        html("<!-- a <p>b", Content("<p>Row</p>")),
        html("<![CDATA[<script>x</script>]]>a", Has("a")),
        html("<a href='x\"><script>alert(1)</script>'>a</a>", Has("a</a>")),
        html("<img alt=\"a\" src=\"https://a.example/x.png\" \"<script>\">b", Has("b")),
        html("]]>&lt;script&gt;&amp;lt;", Content("]]&gt;&lt;script&gt;&amp;lt;")),
        html("a\0b", Fault("a NUL byte")),
        html("a&#0;b&#1;c\u{1}d\u{FFFE}e", Has("d")),
        html(&"<b>".repeat(5000), Has("")),
        html(&"<div>".repeat(200), Has("")),
        html(&"x".repeat(900_000), Has("xxxx")),
        html(&"x".repeat(2 << 20), Fault("larger than")),
        html(&"<p>a</p>".repeat(20_000), Has("<p>a</p>")),
        // Markdown.
        markdown(
            "[a](javascript:alert(1)) <javascript:alert(1)> [b](JaVaScRiPt:x) [c](&#106;avascript:x)",
            Has("a"),
        ),
        markdown("[a][r]\n\n[r]: javascript:alert(1)\n", Content("<p><a>a</a></p>")),
        markdown("![x](data:image/png;base64,AAAA \"a\\\" onerror=\\\"b\")c", Has("c")),
        markdown("<div onclick='x'>\n\n**a**\n\n</div>", Has("<strong>a</strong>")),
        markdown(&"[^1]".repeat(5000), Has("[^1]")),
        markdown(&"a|b\n-|-\n".repeat(2000), Has("<table>")),
        markdown(&"[".repeat(20_000), Has("[[[")),
        markdown(&"*a".repeat(20_000), Has("a")),
        markdown(&"> ".repeat(5000), Has("")),
        markdown("```html\n<script>x</script>\n```", Has("&lt;script&gt;")),
        // Addresses.
        front(&address("javascript:alert(1)"), Title("Row")),
        front(&format!("id: urn:example:row:NAME\n{}", address("JaVa\\tScRiPt:alert(1)")), Title("Row")),
        front(&format!("id: urn:example:row:NAME\n{}", address("\\x01javascript:alert(1)")), Title("Row")),
        front(
            &format!("id: urn:example:row:NAME\n{}", address(" java\\nscript://a.example/%0Aalert(1)")),
            Title("Row"),
        ),
        front(&format!("id: urn:example:row:NAME\n{}", address("&#106;avascript:alert(1)")), Title("Row")),
        front(&address("https://me:secret@a.example/x"), Link("https://me:secret@a.example/x")),
        front(&address("https://[::1]:0/x"), Link("https://[::1]:0/x")),
        front(&address("https://例え.example/ü x"), Link("https://xn--r8jz45g.example/%C3%BC%20x")),
        front(&address("//a.example/x"), Title("Row")),
        front(&address("https://a.example/?a=\\\"<b>'"), Link("https://a.example/?a=%22%3Cb%3E%27")),
        front(&address(&format!("https://a.example/{}", "x".repeat(8000))), Has("")),
        front("id: 'not an iri'\n", Fault("`id`")),
        front("id: \"urn:x:\\u0007\"\n", Fault("`id`")),
        front("id: 'urn:x:<script>'\n", Fault("`id`")),
        front(
            "images: [{url: 'https://a.example/i.png?a=1&b=\"2\"<', width: -1, height: 1e9}, {url: 'data:x'}, {url: 'https://a.example/j.png', width: 99999999999999999999}]\n",
            Has("https://a.example/i.png?a=1&amp;b=%222%22%3C"),
        ),
        front("length: P9999999999999999999Y\nheat: 1e999\nquality: .nan\n", Title("Row")),
        // Topics.
        front(
            "topics: ['🚀', '🚀 Space', '../../etc/passwd', '..', 'a/../b', '.', 'index', '%2e%2e', 'con', 'nul']\n",
            Topic("🚀 Space"),
        ),
        front("topics: ['👩\u{200D}💻 coding', 'שלום', 'e\u{301}clair', 'İ', 'ﬁ', '½']\n", Topic("שלום")),
        front(&format!("topics: ['{}', ok]\n", "x".repeat(300)), Topic("ok")),
        front("topics: ['../x']\n", Fault("this topic is left out")),
        front("topics: ['<script>', \"a\\0b\", ']]>']\n", Topic("<script>")),
        // YAML.
        front(&format!("title: {}\n", "x".repeat(1 << 20)), Fault("larger than")),
        front(&format!("title: {}\n", "x".repeat(16_000)), Has("")),
        front("title: !!binary aGVsbG8=\n", Title("aGVsbG8=")),
        front("title: !!python/object/apply:os.system [ls]\n", Fault("title")),
        front("x: &a [1]\ny: *a\n", Fault("anchors and aliases")),
        front("title: A\ntitle: B\n", Fault("twice")),
        front("title: no\n", Title("no")),
        front("title: 0o17\n", Title("0o17")),
        front("title: 2024-01-01\n", Title("2024-01-01")),
        front("title: |\n  a\n  <b>\n", Title("a <b>")),
        front("title: {a: b}\n", Fault("title")),
        front("title: [\n", Fault("")),
        front("\ttitle: tab\n", Fault("")),
        front("<<: {title: merged}\n", Title("Row")),
        front("title: '%YAML 1.2'\n", Title("%YAML 1.2")),
        front(&format!("x: {}\n", "[".repeat(4000)), Fault("deep")),
        raw(
            "yaml",
            "%YAML 1.1\n---\ntitle: Directive\ntopics: Hostile\ndate: 2024-01-01\nid: urn:example:row:NAME\n",
            Title("Directive"),
        ),
        raw(
            "yaml",
            "title: Two\ntopics: Hostile\ndate: 2024-01-01\nid: urn:example:row:NAME\n---\ntitle: Documents\n",
            Nothing,
        ),
        // Dates.
        front("date: 0000-01-01\n", Fault("is not a date")),
        front("date: 10000-01-01\n", Fault("is not a date")),
        front("date: 2024-06-30T23:59:60Z\n", Title("Row")),
        front("date: 2024-01-01T00:00:00+99:99\n", Fault("is not a date")),
        front("date: -1\n", Fault("is not a date")),
        front("date: 9999-12-31T23:59:59-12:00\n", Fault("is not a date")),
        front("date: 0001-01-01T00:00:00Z\nupdatedDateTime: 9999-12-31\n", Title("Row")),
    ];
    rows.extend(
        [text(), damaged(), addresses(), markup(), broken_markup(), topics(), dates()].into_iter().flatten(),
    );
    for (number, row) in rows.iter_mut().enumerate() {
        row.name = format!("row{number}");
        if let Ok(text) = std::str::from_utf8(&row.bytes) {
            row.bytes =
                text.replace("urn:example:row:NAME", &format!("urn:example:row:{number}")).into_bytes();
        }
    }
    rows
}

/// Text with invisible, directional or closing characters in every field, and unusual YAML.
fn text() -> Vec<Row> {
    vec![
        front(&everywhere("&#x202E;txt.exe &#8295;a"), Title("txt.exe a")),
        front(&everywhere("\u{202E}gpj.exe"), Title("gpj.exe")),
        front(&everywhere("a\u{202C}b"), Title("ab")),
        front(&everywhere("&amp;#x202E;"), Title("&#x202E;")),
        front(&everywhere("a\u{200E}\u{200F}\u{61C}b"), Title("a\u{200E}\u{200F}\u{61C}b")),
        front(&everywhere("Z\u{301}\u{302}\u{303}a\u{489}lgo"), Title("Z\u{301}\u{302}\u{303}a\u{489}lgo")),
        front(&everywhere("&lt;img src=x onerror=alert(1)&gt;"), Title("<img src=x onerror=alert(1)>")),
        front(
            &everywhere("&amp;lt;img src=x onerror=alert(1)&amp;gt;"),
            Title("&lt;img src=x onerror=alert(1)&gt;"),
        ),
        front(&everywhere("&#93;&#93;&#62;"), Title("]]>")),
        front(&everywhere("+ADw-script+AD4-"), Title("+ADw-script+AD4-")),
        front(&everywhere("{{7*7}} ${7*7} %s %n"), Title("{{7*7}} ${7*7} %s %n")),
        front(
            &everywhere("data:text/html,<script>alert(1)</script>"),
            Title("data:text/html,<script>alert(1)</script>"),
        ),
        front("title: \"\\u0000\"\n", Fault("has no text")),
        front("title: \"\\u200B\"\n", Title("\u{200B}")),
        front("title: \"\\uD800\"\n", Fault("not valid YAML")),
        front("title: \"\\UFFFFFFFF\"\n", Fault("not valid YAML")),
        front("title: \"\\q\"\n", Fault("not valid YAML")),
        front("title: ''\n", Fault("has no text")),
        front("title: ~\n", Fault("a seed needs a `title`")),
        front("title: 1e999\n", Title("1e999")),
        front("title: -0\n", Title("-0")),
        front("title: .NaN\n", Title(".NaN")),
        front("title: 0x1F\n", Title("0x1F")),
        front("title: !!str 5\n", Title("5")),
        front("title: !<tag:yaml.org,2002:binary> aGk=\n", Title("aGk=")),
        front("title: !!int x\n", Title("x")),
        front("title: >-\n  a\n  b\n\n  c\n", Title("a b c")),
        front("'title': quoted key\n", Fault("twice")),
        front("a: &a x\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n", Fault("anchors and aliases")),
        front("x: &x {title: merged}\n<<: *x\n", Fault("anchors and aliases")),
        front("provider: {name: a, name: b}\n", Fault("twice")),
        front("provider: {__proto__: {name: b}, constructor: c}\n", Title("Row")),
        front("? [complex, key]\n: x\n", Fault("")),
        front(&format!("x:\n{}a\n", "- ".repeat(7000)), Fault("")),
        front(&format!("x: {}1{}\n", "{a: ".repeat(65), "}".repeat(65)), Fault("deep")),
        front(&format!("x: \"{}\"\n", "\\u0041".repeat(2000)), Title("Row")),
        front(&numbered(1500, |n| format!("k{n}: 1\n")), Title("Row")),
        front(&format!("images: [{}]\n", "{},".repeat(4000)), Title("Row")),
        front(&format!("related: [{}]\n", "{},".repeat(4000)), Title("Row")),
        front("title: Row\n...\ntitle: Other document\n", Fault("")),
        front("draft: maybe\n", Fault("true or false")),
        front("draft: \"yes\\u200B\"\n", Fault("true or false")),
        front("Draft: true\n", Fault("did you mean `draft`")),
        front(
            "images: [{url: 'https://a.example/i.png', width: '1e9', height: 100%}, {url: 'https://a.example/j.png', width: ０, height: 1.5}]\n",
            Has("i.png\" alt"),
        ),
        front("length: PT1e999H\n", Title("Row")),
        front("length: -PT1H\nheat: -0\nquality: -.inf\n", Title("Row")),
    ]
}

/// Bytes in other encodings, and invalid UTF-8.
fn damaged() -> Vec<Row> {
    let whole = |title: &str| {
        format!("---\ntitle: {title}\ntopics: Hostile\ndate: 2024-01-01\nid: urn:example:row:NAME\n---\n")
    };
    vec![
        raw("md", [whole("a").as_bytes(), b"body \xFF"].concat(), Fault("this is not UTF-8")),
        raw("html", [whole("a").as_bytes(), b"\xF4\x90\x80\x80"].concat(), Fault("this is not UTF-8")),
        raw(
            "html",
            [whole("a").as_bytes(), b"\xED\xB0\x80\xED\xA0\xBD"].concat(),
            Fault("this is not UTF-8"),
        ),
        raw("html", format!("{}a\u{FEFF}b\u{FFFF}c\u{1}d\u{85}e", whole("a")), Content("a\u{FEFF}bcd e")),
        raw("md", format!("\u{FEFF}\u{FEFF}{}", whole("a")), Fault("begin with a line of three hyphens")),
        raw("md", format!("\u{200B}{}", whole("a")), Fault("begin with a line of three hyphens")),
        raw("md", whole("a").replace('\n', "\n\r"), Fault("")),
        raw("md", whole("a").replace("---\n", "--- \t\n"), Title("a")),
        raw("md", whole("a").replace("---\n", "---\u{A0}\n"), Title("a")),
        raw("md", whole("a").replace("---\n", "–––\n"), Nothing),
        raw("yaml", "title: a\n---\n---\n---\n", Nothing),
        raw("yaml", "\u{0}", Fault("a NUL byte")),
        raw("yaml", "- a\n- b\n", Fault("should be `key: value` lines")),
        raw("yaml", "&a [*a]", Fault("anchors and aliases")),
        raw("html", "---\n---\n<p>no front matter", Fault("a seed needs a `title`")),
        raw("txt", "---", Fault("never closes")),
        raw("txt", "--", Nothing),
    ]
}

/// Invalid and misleading addresses.
fn addresses() -> Vec<Row> {
    let page = |address: &str, outcome| front(&format!("webUrl: \"{address}\"\n"), outcome);
    let mut rows = vec![
        page(" https://a.example/x \\t", Link("https://a.example/x")),
        page("https:\\\\\\\\a.example\\\\x", Title("Row")),
        page("https:///a.example/x", Link("https://a.example/x")),
        page("HTTPS://A.EXAMPLE/x", Link("https://a.example/x")),
        page("https://a.example:99999/", Title("Row")),
        page("https://a.example:0/", Link("https://a.example:0/")),
        page("http://0x7f.1/", Link("http://0x7f.1/")),
        page("https://[::1/", Title("Row")),
        page("https://a b.example/", Title("Row")),
        page("https://xn--/", Title("Row")),
        page("https://\u{202E}elpmaxe.a/", Title("Row")),
        page("https://аррӏе.example/", Link("https://xn--80ak6aa92e.example/")),
        page("https://xn--80ak6aa92e.example/", Link("https://xn--80ak6aa92e.example/")),
        page("https://a.example/%", Title("Row")),
        page("https://a.example/%00%0d%0aSet-Cookie:x", Link("https://a.example/%00%0d%0aSet-Cookie:x")),
        page("https://a.example/\\r\\nx", Link("https://a.example/x")),
        page("https://a.example/]]>", Link("https://a.example/%5D%5D%3E")),
        page("https://a.example/\u{202E}", Link("https://a.example/%E2%80%AE")),
        page("http:a.example", Title("Row")),
        page("/\\\\evil.example/x", Title("Row")),
        page("blob:https://a.example/x", Title("Row")),
        page("view-source:https://a.example/", Title("Row")),
        front("id: 'urn:xy:\u{202E}y'\n", Fault("`id`")),
        front("id: 'urn:xy:\u{200F}y'\n", Fault("`id`")),
        front("id: '  '\n", Fault("`id`")),
        front("id: '//a.example/x'\n", Fault("`id`")),
        front("id: 'urn:x:a b'\n", Fault("`id`")),
        front("id: 'tag:a.example,2024:&gt;'\n", Title("Row")),
        front("id: [a]\n", Fault("should be text")),
        front(&format!("id: 'urn:example:{}'\n", "x".repeat(8000)), Title("Row")),
    ];
    for domain in [
        "a.example/\\\"><script>",
        "javascript:alert(1)",
        "a.example:80",
        "me@a.example",
        "\u{202E}a.example",
    ] {
        rows.push(front(&format!("provider: {{name: P, domain: \"{domain}\"}}\n"), Title("Row")));
    }
    // Schemes that run code, in all spellings and in every field for an address.
    let schemes = [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "&#1;javascript:alert(1)",
        "&#x6A;avascript:alert(1)",
        "java&Tab;script:alert(1)",
        "java&NewLine;script:alert(1)",
        "javascript&colon;alert(1)",
        "java\nscript:alert(1)",
        "java\tscript:alert(1)",
        "javascript\u{FEFF}:alert(1)",
        "javascript://a.example/%0Aalert(1)",
        "vbscript:x",
        "livescript:x",
        "data:text/html,x",
        "data:image/svg+xml;base64,x",
        "feed:javascript:alert(1)",
        "jar:javascript:alert(1)",
        "view-source:javascript:alert(1)",
        "blob:https://a.example/x",
        "filesystem:https://a.example/x",
        "file:///etc/passwd",
    ];
    for carrier in [
        "<a href=\"@\">a</a>",
        "<img src=\"@\">",
        "<img src=\"https://a.example/i.png\" srcset=\"@\">",
        "<img src=\"https://a.example/i.png\" srcset=\"@ 1x, @ 2x\">",
        "<img src=\"https://a.example/i.png\" srcset=\"https://a.example/i.png 1x,@ 2x\">",
        "<img src=\"https://a.example/i.png\" lowsrc=\"@\" dynsrc=\"@\" longdesc=\"@\" usemap=\"@\">",
        "<picture><source srcset=\"@\"></picture>",
        "<video src=\"@\" poster=\"@\"><source src=\"@\"><track src=\"@\"></video>",
        "<audio src=\"@\"></audio>",
        "<iframe src=\"@\" srcdoc=\"@\"></iframe>",
        "<form action=\"@\"><button formaction=\"@\"></button></form>",
        "<svg><a xlink:href=\"@\" href=\"@\"><text>x</text></a><use href=\"@\"/><image href=\"@\"/></svg>",
        "<math href=\"@\"><mtext xlink:href=\"@\">x</mtext></math>",
        "<meta http-equiv=refresh content=\"0;url=@\">",
        "<base href=\"@\"><a href=\"x\">a</a>",
        "<object data=\"@\" codebase=\"@\"><param name=src value=\"@\"></object><embed src=\"@\">",
        "<p style=\"background:url(@)\" background=\"@\">a</p>",
        "<table background=\"@\"><td background=\"@\">a</table>",
        "<blockquote cite=\"@\">a</blockquote><q cite=\"@\">b</q><del cite=\"@\">c</del><ins cite=\"@\">d</ins>",
        "<map name=m><area href=\"@\"></map>",
        "<link rel=stylesheet href=\"@\"><isindex action=\"@\"><applet code=\"@\"></applet>",
    ] {
        let body: String = schemes.iter().map(|scheme| carrier.replace('@', scheme)).collect();
        rows.push(html(&format!("{body}<p>end</p>"), Has("end")));
    }
    rows
}

/// Well-formed HTML and Markdown with hostile content.
fn markup() -> Vec<Row> {
    let video = "<iframe src=\"https://www.youtube.com/embed/x\"></iframe>";
    vec![
        html("<iframe src='http://video.example/embed/x'></iframe>", Content("<p>Row</p>")),
        html(
            "<iframe src='http://www.youtube.com/embed/x'></iframe>",
            Content("<iframe src=\"https://www.youtube.com/embed/x\"></iframe>"),
        ),
        html(
            "<iframe src='https://www.youtube.com/embed/x' sandbox='' allow=camera name=x></iframe>",
            Content(video),
        ),
        html("<iframe src='https://www.youtube.com:8443/embed/x'></iframe>a", Content("a")),
        html("<img src='mailto:a@b.example'>a", Content("a")),
        html("<img src='https://t.example/p.gif' width='01' height=' 1px'>a", Content("a")),
        html("<a href=' https://a.example/x '>a</a>", Content("<a href=\"https://a.example/x\">a</a>")),
        html(
            "<a href='https://a.example/\u{202E}'>a</a>",
            Content("<a href=\"https://a.example/%E2%80%AE\">a</a>"),
        ),
        html("<img src='x' name=cookie id=body><a id=location name=x>a</a>", Has("<a>a</a>")),
        html(
            "<details open ontoggle=alert(1)><summary>a</summary></details>",
            Content("<details><summary>a</summary></details>"),
        ),
        html("<marquee onstart=alert(1)>a</marquee><blink>b</blink>", Content("ab")),
        html("<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">", Has("")),
        html(
            "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
            Has(""),
        ),
        html("<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>", Has("")),
        html(
            "<select><template><style><!--</style><a rel=\"--></style></template></select><img src=x onerror=alert(1)>",
            Has(""),
        ),
        html("<noembed><img src=x onerror=alert(1)></noembed><xmp><script>x</script></xmp>", Has("")),
        html("<plaintext><script>alert(1)</script>", Has("&lt;script&gt;")),
        html("<textarea><script>alert(1)</script></textarea>", Has("&lt;script&gt;")),
        html("<table><script>x</script><a href=x><tr><td><style>y</style>z</table>", Has("z")),
        html("<p title='\"><script>alert(1)</script>'>a</p>", Has("a</p>")),
        html("<p title=']]>' lang='\"x'>]]></p>", Has("]]&gt;</p>")),
        html("<?xml-stylesheet href='javascript:alert(1)'?><?php echo 1 ?>a", Has("a")),
        html("<!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>&x;a", Has("&amp;x;a")),
        html("<!ENTITY x 'y'><![if IE]><script>x</script><![endif]>a", Content("a")),
        html(
            "<xml:namespace prefix=x><x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
            Has("alert(1)"),
        ),
        markdown("[a](<javascript:alert(1)>) ![b](vbscript:x) [c](\\\njavascript:x)", Has("a")),
        markdown(
            "[a](https://a.example/ \"x\\\" onmouseover=\\\"alert(1)\")",
            Has("title=\"x&quot; onmouseover=&quot;alert(1)\""),
        ),
        markdown("![a\" onerror=\"b](https://a.example/i.png)", Has("alt=\"a&quot; onerror=&quot;b\"")),
        markdown("```\"><script>\na\n```", Has("a")),
        markdown(
            "<javascript:alert(1)> <data:text/html,x> <HTTPS://a.example/>",
            Has("href=\"https://a.example/\""),
        ),
        markdown("<div\n\n*a*", Has("<em>a</em>")),
        markdown("<!-- never\n\nclosed *a*", Content("<p>Row</p>")),
        markdown("# a {#id onclick=x .class}\n\n[^1]\n\n[^1]: <script>x</script>", Has("onclick=x")),
        markdown(
            &format!("{}\n\n[a]: https://a.example/{}\n", "[a]".repeat(20_000), "x".repeat(5000)),
            Has("[a]"),
        ),
        markdown(
            &format!("{}\n{}\n{}", "a|".repeat(100), "-|".repeat(100), "a\n".repeat(300)),
            Has("<td>a</td>"),
        ),
        markdown(&"[a][".repeat(5000), Has("[a]")),
        markdown(&(1..300).map(|n| "`".repeat(n) + "a").collect::<String>(), Has("`a")),
        markdown(&"<?".repeat(5000), Has("")),
        markdown(&"a <!A ".repeat(2000), Has("a")),
        markdown(&"&#1".repeat(2000), Has("&amp;#1")),
    ]
}

/// HTML with unbalanced tags.
fn broken_markup() -> Vec<Row> {
    vec![
        html("<p title=\"a", Content("<p>Row</p>")),
        html("a<p title=\"b>c</p><p>d</p>", Content("a")),
        html("<!-- <!-- --> -->a", Has("a")),
        html("<!--><script>alert(1)</script>-->a", Has("a")),
        html("a<!-", Has("a")),
        html("a</", Content("a&lt;/")),
        html("a<", Content("a&lt;")),
        html("</p></div></html></body>a", Has("a")),
        html("<b><p>a</b>b</p>", Content("<b></b><p><b>a</b>b</p>")),
        html("<a href=x<b>a</a>", Has("a</a>")),
        html("<script>a", Content("<p>Row</p>")),
        html("<title>a", Content("<p>Row</p>")),
        html("<svg><p>a", Has("")),
        html(&format!("<p {}>a</p>", numbered(2000, |n| format!("a{n}=x "))), Content("<p>a</p>")),
        html(&"<div></x>".repeat(20_000), Content("<p>Row</p>")),
        html(&"<div><!--</div>-->".repeat(20_000), Content("<p>Row</p>")),
        html(&"<div a='</div>'>".repeat(20_000), Content("<p>Row</p>")),
        html(&"<rt>".repeat(20_000), Content("<p>Row</p>")),
        html(
            &format!("{}{}", numbered(200, |n| format!("<b title={n}><p>")), "<p>x".repeat(20_000)),
            Content("<p>Row</p>"),
        ),
        seed(
            "html",
            &format!("webUrl: https://a.example/{}/\n", "x".repeat(15_000)),
            &"<a href=x>a</a>".repeat(20_000),
            Content(""),
        ),
        html(&"<".repeat(5000), Has("&lt;&lt;")),
        html(&"&amp".repeat(5000), Has("&amp;&amp;")),
        html(&"</p>".repeat(2000), Has("<p></p>")),
        html(&"<body onload=x><html onload=x>".repeat(1000), Has("")),
        html(&"<table><tr><td>".repeat(50), Has("<table>")),
    ]
}

fn topics() -> Vec<Row> {
    let row = |names: &str, outcome| front(&format!("topics: {names}\n"), outcome);
    vec![
        row("a/b", Topic("a/b")),
        row("'C:\\x'", Topic("C:\\x")),
        row("con", Topic("con")),
        row("nul", Topic("nul")),
        row("all", Topic("all")),
        row("index.html", Topic("index.html")),
        row("/etc/passwd", Topic("/etc/passwd")),
        row("'%2e%2e%2f'", Topic("%2e%2e%2f")),
        row("'.'", Fault("a letter or a digit")),
        row("Index", Fault("`index` is the address")),
        row("'a\\..\\b'", Fault("cannot have `..`")),
        row("\"\\u200D\"", Fault("a letter or a digit")),
        row("'🏳\u{FE0F}\u{200D}🌈'", Topic("🏳\u{FE0F}\u{200D}🌈")),
        row("'\u{202E}abc'", Topic("abc")),
        row("'\u{2067}שלום'", Topic("שלום")),
        row("'\u{301}'", Topic("\u{301}")),
        row(&format!("a{}", "\u{301}".repeat(99)), Has("")),
        row(&"字".repeat(67), Fault("too long")),
        row(&format!("['{}', ok]", "!".repeat(900)), Topic("ok")),
        row("['a', 'A', 'Á', 'A\u{301}']", Topic("a")),
        row("[[a], b]", Fault("")),
        row("{a: b}", Fault("a list of names")),
        row("[~, '', ok]", Topic("ok")),
        row("[]", Fault("has no topic")),
        row(&format!("[{}]", numbered(500, |n| format!("topic {n}, "))), Topic("topic 49")),
        row("!!set {a, b}", Fault("")),
        row("true", Fault("quote it if it is a name")),
        row("2.0", Fault("quote it if it is a name")),
    ]
}

fn dates() -> Vec<Row> {
    let row = |date: &str, outcome| front(&format!("date: {date}\n"), outcome);
    vec![
        row("2024-02-30", Fault("is not a date")),
        row("-0001-01-01", Fault("is not a date")),
        row("２０２４-01-01", Fault("is not a date")),
        row("1711440023", Fault("is not a date")),
        row("2024-06-30T23:59:61Z", Fault("is not a date")),
        row("2024-01-01T24:00:00Z", Fault("is not a date")),
        row("2024-01-01T00:00:00+24:00", Fault("is not a date")),
        row("2024-01-01T00:00:00-00:00", Title("Row")),
        row("99999999999999999999-01-01", Fault("is not a date")),
        row("\"2024-01-01\\0\"", Fault("is not a date")),
        row("[2024-01-01]", Fault("should be text")),
        row("2024-01-01\nexpires: soon", Fault("is not a date")),
        row("2024-01-01\nexpires: 0001-01-01", Nothing),
        row("9999-12-31", Nothing),
        row("2024-01-01\nupdatedDateTime: 0000-00-00", Title("Row")),
    ]
}

/// An entry as the Atom feed has it.
struct Shown {
    title: String,
    summary: String,
    content: String,
    links: Vec<String>,
    topics: Vec<String>,
}

fn shown(tree: &Tree) -> BTreeMap<String, Shown> {
    let text = std::str::from_utf8(&tree["all.atom"]).unwrap();
    let document = roxmltree::Document::parse(text).unwrap();
    let entries =
        document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2005/Atom", "entry")));
    let entries = entries.map(|entry| {
        let children =
            |name: &'static str| entry.children().filter(move |node| node.tag_name().name() == name);
        let text = |name| children(name).next().and_then(|node| node.text()).unwrap_or_default().to_owned();
        let values = |name, attribute: &str| {
            children(name).filter_map(|node| node.attribute(attribute)).map(str::to_owned).collect()
        };
        let shown = Shown {
            title: text("title"),
            summary: text("summary"),
            content: text("content"),
            links: values("link", "href"),
            topics: values("category", "term"),
        };
        (text("id"), shown)
    });
    entries.collect()
}

#[test]
fn hostile_seeds_are_harmless() {
    let work = tempfile::tempdir().unwrap();
    let seeds = work.path();
    let rows = rows();
    assert!(rows.len() >= 300);
    for row in &rows {
        fs::write(seeds.join(format!("{}.{}", row.name, row.ending)), &row.bytes).unwrap();
    }
    let good =
        "---\ntitle: Good\ntopics: [Good, Hostile]\ndate: 2024-01-01\nid: urn:example:good\n---\nGood.\n";
    fs::write(seeds.join("good.md"), good).unwrap();
    let settings = Settings { entries: Some("1000".to_owned()), ..Settings::default() };
    let config = cold::config(seeds, settings);
    let (tree, catalog) = (cold::tree(&config, cold::now()), cold::catalog(&config, cold::now()));

    let entries = shown(&tree);
    assert_eq!(entries["urn:example:good"].content, "<p>Good.</p>\n".trim_end());
    for ending in Format::FEEDS.map(Format::ending) {
        let good = format!("topics/good{ending}");
        assert_eq!(cold::read_back(&good, &tree[&good]).len(), 1);
        for path in [format!("all{ending}"), format!("topics/hostile{ending}")] {
            assert!(std::str::from_utf8(&tree[&path]).unwrap().contains("urn:example:good"), "{path}");
        }
    }
    let page = valid::headings(std::str::from_utf8(&tree["topics/hostile/index.html"]).unwrap());
    let feed = cold::read_back("topics/hostile.json", &tree["topics/hostile.json"]);
    assert_eq!(page, feed.into_iter().map(|entry| entry.title).collect::<Vec<_>>(), "titles are text");
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let path = format!("{}.{}", row.name, row.ending);
        let faults: Vec<_> = catalog.faults_of(&path).iter().map(ToString::to_string).collect();
        let record = catalog.records().find(|record| *record.path == *path);
        let entry = record.and_then(|record| entries.get(&*record.id));
        let holds = match (&row.outcome, entry) {
            (Title(title), Some(entry)) => entry.title == *title,
            (Summary(summary), Some(entry)) => entry.summary == *summary,
            (Has(part), Some(entry)) => entry.content.contains(part),
            (Content(content), Some(entry)) => entry.content == *content,
            (Link(link), Some(entry)) => entry.links.iter().any(|known| known == link),
            (Topic(topic), Some(entry)) => entry.topics.iter().any(|known| known == topic),
            (Fault(reason), None) => faults.iter().any(|fault| fault.contains(reason)),
            (Nothing, None) => true,
            _ => false,
        };
        if !holds {
            let told = entry.map(|entry| {
                format!("{:?} {:?} {:?} {:?}", entry.title, entry.content, entry.links, entry.topics)
            });
            let start: String = String::from_utf8_lossy(&row.bytes).chars().take(160).collect();
            let told: String = told.unwrap_or_default().chars().take(300).collect();
            wrong.push(format!("row {number}: {start:?}\n    {told}\n    {faults:?}"));
        }
    }
    // Text that looks like HTML, or like a decoding mistake, is kept as it was written.
    let as_written = ["contains HTML", "read as HTML", "wrong encoding", "control or replacement characters"];
    for (path, bytes) in &tree {
        let faults = valid::faults(path, bytes, config.url.as_str());
        let faults = faults.into_iter().filter(|fault| !as_written.iter().any(|words| fault.contains(words)));
        wrong.extend(faults.map(|fault| format!("{path}: {}", fault.chars().take(300).collect::<String>())));
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
