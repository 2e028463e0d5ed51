//! Renders Markdown as HTML.
//!
//! Markdown without HTML of its own uses few elements, so it can be rendered as harmless HTML at once, with the same
//! bytes as rendering first and sanitising afterwards. A test compares both.
//!
//! [`render_sanitized`] saves 80 µs of CPU time for a body of 3 KB. With it, a cold build of 100,000 such seeds with
//! archives, which shows every body, takes 18 s of CPU time; without it, 26 s.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd, html};
use url::Url;

use crate::seed::link;

/// Deepest nesting that is rendered here. Deeper texts are sanitised, which has a limit of its own.
const MAX_DEPTH: usize = 64;
/// Number of addresses that are rendered here. Texts with more are sanitised, which limits their size.
const MAX_ADDRESSES: usize = 1000;

fn parser(text: &str) -> Parser<'_> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
    Parser::new_ext(text, options)
}

/// Renders a text as HTML that is not sanitised.
pub(super) fn render(text: &str) -> String {
    let mut rendered = String::with_capacity(text.len() * 2);
    html::push_html(&mut rendered, parser(text));
    rendered
}

/// Renders a text as sanitised HTML, with absolute addresses, escaped text, and no elements and attributes but those
/// written here. Returns `None` if the text needs anything else, such as HTML of its own.
pub(super) fn render_sanitized(text: &str, base: &Url) -> Option<String> {
    let html = String::with_capacity(text.len() * 3 / 2);
    let mut writer =
        HtmlWriter { html, base, begins_line: true, depth: 0, addresses: 0, in_link: false, in_head: false };
    let mut events = parser(text);
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::Image { dest_url, title, .. }) => {
                let alternative = alternative_text(&mut events)?;
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

/// Returns the alternative text of an image: the text up to its end.
fn alternative_text<'t>(events: &mut impl Iterator<Item = Event<'t>>) -> Option<String> {
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

/// A writer of sanitised HTML. Its methods return `None` for text that needs sanitising.
struct HtmlWriter<'a> {
    html: String,
    base: &'a Url,
    begins_line: bool,
    depth: usize,
    addresses: usize,
    in_link: bool,
    in_head: bool,
}

impl HtmlWriter<'_> {
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

    /// Writes text of an element or an attribute, unless an HTML parser would change it.
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
        for (index, part) in value.split('"').enumerate() {
            if index > 0 {
                self.html.push_str("&quot;");
            }
            self.text(part)?;
        }
        self.html.push('"');
        Some(())
    }

    /// Returns `true` if every parser reads an address in the same way, and counts it.
    fn is_unambiguous(&mut self, address: &str) -> bool {
        self.addresses += 1;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&byte);
        let has_scheme = address.find([':', '/', '?', '#']).is_some_and(|at| address[at..].starts_with(':'));
        let is_known = link::is_web(address) || address.starts_with("mailto:") || !has_scheme;
        self.addresses <= MAX_ADDRESSES && address.bytes().all(is_plain) && is_known
    }

    fn image(&mut self, address: &str, alternative: &str, title: &str) -> Option<()> {
        if !self.is_unambiguous(address) {
            return None;
        }
        let address = link::in_content(address, self.base).filter(|address| link::is_web(address));
        // Sanitising removes an image without a source, but keeps the position in the line.
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
        if std::mem::replace(&mut self.in_link, true) || !self.is_unambiguous(address) {
            return None;
        }
        self.put("<a");
        // Ids are removed, so a fragment has no target.
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
        if self.depth > MAX_DEPTH {
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
    use crate::seed::content::sanitize::{cleaned, sanitize};
    use crate::seed::form::Markup;

    /// Returns the HTML of a text, rendered directly and by way of sanitising.
    fn both_ways(text: &str) -> (Option<String>, String) {
        let base = Url::parse("https://a.example/b/c").unwrap();
        let written = render_sanitized(text, &base).map(cleaned);
        (written, sanitize(Markup::Html, &render(text), &base, &[]).unwrap())
    }

    #[test]
    fn usual_markdown_is_rendered_here() {
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
            let (written, sanitised) = both_ways(text);
            assert_eq!(written.as_deref(), Some(expected), "{text}");
            assert_eq!(sanitised, expected, "{text}");
        }
    }

    #[test]
    fn unusual_markdown_is_left_to_the_sanitizer() {
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
            &"> ".repeat(MAX_DEPTH + 1),
            &"[a](b) ".repeat(MAX_ADDRESSES + 1),
        ] {
            assert_eq!(both_ways(text).0, None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same_bytes(
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
            let (written, sanitised) = both_ways(&text);
            if let Some(written) = written {
                prop_assert_eq!(written, sanitised, "{:?}", text);
            }
        }
    }
}
