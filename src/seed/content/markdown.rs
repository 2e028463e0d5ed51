//! Markdown as HTML. What it says without HTML of its own is so little that it can be written harmless
//! at once, in a third of the time that sanitising takes, and as sanitising would leave it, to the byte.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd, html};
use url::Url;

use crate::seed::link;

/// Deeper than this, what nests is left to whoever counts it.
const DEEP: usize = 64;
/// Most addresses that are not counted by whoever weighs them.
const MANY: usize = 1000;

fn parser(text: &str) -> Parser<'_> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
    Parser::new_ext(text, options)
}

/// The HTML of a text, which may hold whatever its writer wrote.
pub(in crate::seed) fn unsanitised(text: &str) -> String {
    let mut rendered = String::with_capacity(text.len() * 2);
    html::push_html(&mut rendered, parser(text));
    rendered
}

/// The HTML of a text, sanitised: every address in it absolute, text escaped, and no element or attribute
/// but those written here. None if the text has what is not written here: HTML, for one.
pub(in crate::seed) fn sanitised(text: &str, base: &Url) -> Option<String> {
    let html = String::with_capacity(text.len() * 3 / 2);
    let mut writer =
        Writer { html, base, begins_line: true, depth: 0, addresses: 0, in_link: false, in_head: false };
    let mut events = parser(text);
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::Image { dest_url, title, .. }) => {
                let alternative = alternative(&mut events)?;
                writer.image(&dest_url, &alternative, &title)?;
            }
            Event::Start(tag) => writer.start(&tag)?,
            Event::End(tag) => writer.end(tag)?,
            Event::Text(text) => {
                writer.text(&text)?;
                writer.begins_line = text.ends_with('\n');
            }
            Event::Code(text) => {
                writer.put("<code>");
                writer.text(&text)?;
                writer.put("</code>");
            }
            Event::SoftBreak => writer.put("\n"),
            Event::HardBreak => writer.put("<br>\n"),
            Event::Rule => writer.put_on_new_line("<hr>\n"),
            _ => return None,
        }
    }
    Some(writer.html)
}

/// What stands for a picture: the text up to its end.
fn alternative<'t>(events: &mut impl Iterator<Item = Event<'t>>) -> Option<String> {
    let (mut text, mut open) = (String::new(), 0_usize);
    loop {
        match events.next()? {
            Event::Start(_) => open += 1,
            Event::End(_) if open == 0 => return Some(text),
            Event::End(_) => open -= 1,
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => return None,
        }
    }
}

struct Writer<'a> {
    html: String,
    base: &'a Url,
    begins_line: bool,
    depth: usize,
    addresses: usize,
    in_link: bool,
    in_head: bool,
}

impl Writer<'_> {
    fn put(&mut self, html: &str) {
        self.html.push_str(html);
        self.begins_line = html.ends_with('\n');
    }

    fn put_on_new_line(&mut self, html: &str) {
        if !self.begins_line {
            self.html.push('\n');
        }
        self.put(html);
    }

    /// Text, or what an attribute says. None if an HTML parser would not read it as it stands.
    fn text(&mut self, text: &str) -> Option<()> {
        let mut rest = text;
        loop {
            let is_special = |byte| matches!(byte, b'&' | b'<' | b'>' | 0xC2 | b'\r' | b'\0');
            let Some(at) = rest.bytes().position(is_special) else { break };
            self.html.push_str(&rest[..at]);
            let special = rest[at..].chars().next()?;
            match special {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '\u{A0}' => self.html.push_str("&nbsp;"),
                '\r' | '\0' => return None,
                other => self.html.push(other),
            }
            rest = &rest[at + special.len_utf8()..];
        }
        self.html.push_str(rest);
        Some(())
    }

    fn attribute(&mut self, name: &str, value: &str) -> Option<()> {
        self.html.push(' ');
        self.html.push_str(name);
        self.html.push_str("=\"");
        for (place, part) in value.split('"').enumerate() {
            if place > 0 {
                self.html.push_str("&quot;");
            }
            self.text(part)?;
        }
        self.html.push('"');
        Some(())
    }

    /// Whether parsers can read an address in one way alone. There may be only so many of them.
    fn is_clear(&mut self, address: &str) -> bool {
        self.addresses += 1;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&byte);
        let has_scheme = address.find([':', '/', '?', '#']).is_some_and(|at| address[at..].starts_with(':'));
        let is_known = link::is_web(address) || address.starts_with("mailto:") || !has_scheme;
        self.addresses <= MANY && address.bytes().all(is_plain) && is_known
    }

    fn image(&mut self, address: &str, alternative: &str, title: &str) -> Option<()> {
        if !self.is_clear(address) {
            return None;
        }
        let address = link::in_content(address, self.base).filter(|address| link::is_web(address));
        // It is none without a source, and what follows stands where it would have stood.
        let Some(address) = address else {
            self.begins_line = false;
            return Some(());
        };
        self.put("<img");
        self.attribute("src", &address)?;
        self.attribute("alt", alternative)?;
        if !title.is_empty() {
            self.attribute("title", title)?;
        }
        self.put(">");
        Some(())
    }

    fn link(&mut self, address: &str, title: &str) -> Option<()> {
        if std::mem::replace(&mut self.in_link, true) || !self.is_clear(address) {
            return None;
        }
        self.put("<a");
        // Elements have no ids here, so that there is nothing in the page to lead to.
        if !address.starts_with('#')
            && let Some(address) = link::in_content(address, self.base)
        {
            self.attribute("href", &address)?;
        }
        if !title.is_empty() {
            self.attribute("title", title)?;
        }
        self.put(">");
        Some(())
    }

    fn start(&mut self, tag: &Tag<'_>) -> Option<()> {
        self.depth += 1;
        if self.depth > DEEP {
            return None;
        }
        match tag {
            Tag::Paragraph => self.put_on_new_line("<p>"),
            Tag::Heading { level, .. } => self.put_on_new_line(&format!("<{level}>")),
            Tag::BlockQuote(_) => self.put_on_new_line("<blockquote>\n"),
            Tag::CodeBlock(_) => self.put_on_new_line("<pre><code>"),
            Tag::List(None) => self.put_on_new_line("<ul>\n"),
            Tag::List(Some(1)) => self.put_on_new_line("<ol>\n"),
            Tag::List(Some(first)) => self.put_on_new_line(&format!("<ol start=\"{first}\">\n")),
            Tag::Item => self.put_on_new_line("<li>"),
            Tag::Table(_) => self.put("<table>"),
            Tag::TableHead => {
                self.in_head = true;
                self.put("<thead><tr>");
            }
            Tag::TableRow => self.put("<tr>"),
            Tag::TableCell => self.put(if self.in_head { "<th>" } else { "<td>" }),
            Tag::Emphasis => self.put("<em>"),
            Tag::Strong => self.put("<strong>"),
            Tag::Strikethrough => self.put("<del>"),
            Tag::Link { link_type: LinkType::Email, dest_url, title, .. } => {
                self.link(&format!("mailto:{dest_url}"), title)?;
            }
            Tag::Link { dest_url, title, .. } => self.link(dest_url, title)?,
            _ => return None,
        }
        Some(())
    }

    fn end(&mut self, tag: TagEnd) -> Option<()> {
        self.depth -= 1;
        match tag {
            TagEnd::Paragraph => self.put("</p>\n"),
            TagEnd::Heading(level) => self.put(&format!("</{level}>\n")),
            TagEnd::BlockQuote(_) => self.put("</blockquote>\n"),
            TagEnd::CodeBlock => self.put("</code></pre>\n"),
            TagEnd::List(ordered) => self.put(if ordered { "</ol>\n" } else { "</ul>\n" }),
            TagEnd::Item => self.put("</li>\n"),
            TagEnd::Table => self.put("</tbody></table>\n"),
            TagEnd::TableHead => {
                self.in_head = false;
                self.put("</tr></thead><tbody>\n");
            }
            TagEnd::TableRow => self.put("</tr>\n"),
            TagEnd::TableCell => self.put(if self.in_head { "</th>" } else { "</td>" }),
            TagEnd::Emphasis => self.put("</em>"),
            TagEnd::Strong => self.put("</strong>"),
            TagEnd::Strikethrough => self.put("</del>"),
            TagEnd::Link => {
                self.in_link = false;
                self.put("</a>");
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seed::Markup;
    use crate::seed::content;

    /// Both ways to the HTML of a text: written as it is parsed, and sanitised afterwards.
    fn both(text: &str) -> (Option<String>, String) {
        let base = Url::parse("https://a.example/b/c").unwrap();
        let sanitised = sanitised(text, &base).map(content::cleaned);
        (sanitised, content::sanitised(Markup::Html, &unsanitised(text), &base, &[]).unwrap())
    }

    #[test]
    fn what_most_texts_are_made_of_is_written_at_once() {
        for (text, expected) in [
            (
                "a *b* **c** ~~d~~ `e<f>` & \u{A0}é",
                "<p>a <em>b</em> <strong>c</strong> <del>d</del> <code>e&lt;f&gt;</code> &amp; &nbsp;é</p>",
            ),
            ("# A\n\n---\nb  \nc", "<h1>A</h1>\n<hr>\n<p>b<br>\nc</p>"),
            (
                "- a\n- b\n\n  c\n\n3. d\n",
                "<ul>\n<li>\n<p>a</p>\n</li>\n<li>\n<p>b</p>\n<p>c</p>\n</li>\n</ul>\n<ol start=\"3\">\n<li>d</li>\n</ol>",
            ),
            (
                "> a\n\n```rust\nb < c\n```\n",
                "<blockquote>\n<p>a</p>\n</blockquote>\n<pre><code>b &lt; c\n</code></pre>",
            ),
            (
                "a | b\n:-|-:\n1 | 2",
                "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>\n<tr><td>1</td><td>2</td></tr>\n</tbody></table>",
            ),
            (
                "[a](d?e=1&f \"t\\\"\") <https://b.example/> <c@b.example>",
                "<p><a href=\"https://a.example/b/d?e=1&amp;f\" title=\"t&quot;\">a</a> <a href=\"https://b.example/\">https://b.example/</a> <a href=\"mailto:c@b.example\">c@b.example</a></p>",
            ),
            (
                "![a *b*\nc](/d 't') ![e](mailto:f) [g](#h)",
                "<p><img src=\"https://a.example/d\" alt=\"a b c\" title=\"t\">  <a>g</a></p>",
            ),
        ] {
            let (written, sanitised) = both(text);
            assert_eq!(written.as_deref(), Some(expected), "{text}");
            assert_eq!(sanitised, expected, "{text}");
        }
    }

    #[test]
    fn what_else_there_is_is_left_to_be_sanitised() {
        for text in [
            "a <b>c</b>",
            "<!-- a -->",
            "[a](javascript:b)",
            "[a](https:b)",
            "[a](<b c>)",
            "[a](\u{E9})",
            "![a <b>](c)",
            "a[^1]\n\n[^1]: b",
            "a&#13;b",
            &"> ".repeat(DEEP + 1),
            &"[a](b) ".repeat(MANY + 1),
        ] {
            assert_eq!(both(text).0, None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_at_once_is_what_sanitising_leaves(
            parts in prop::collection::vec(prop::sample::select(&[
                "a", "é", " ", "  ", "\n", "\n\n", "\t", "    ", "\u{A0}", "\u{C}", "\u{80}", "\u{FEFF}", "\r",
                "*", "_", "**", "~~", "`", "```\n", "- ", "1. ", "3) ", "> ", "# ", "## ", "---\n", "===\n",
                "[", "]", "(", ")", "![", "](", "[a](b)", "![i](/p \"t\")", "[r]: /u 't'\n", "[r]", "[^1]",
                "[^1]: n\n", "<x@y.example>", "<https://a.example/?q=1&r>", "http://h/", "https:", "mailto:",
                "//h/p", "?x=y", "#f", "javascript:", "..", "%", "%2", "a | b\n--|--\n", "| ", "|", "&amp;",
                "&nbsp;", "&#13;", "&#0;", "&lt;", "&", "<", ">", "<b>", "</p>", "\"", "'", "\\", "\\*", "=", ":",
            ][..]), 0..24),
        ) {
            let text = parts.concat();
            let (written, sanitised) = both(&text);
            if let Some(written) = written {
                prop_assert_eq!(written, sanitised, "{:?}", text);
            }
        }
    }
}
