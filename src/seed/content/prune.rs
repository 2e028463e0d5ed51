//! Prunes sanitised HTML: removes hidden elements, tracking pixels, and frames without a source.

use crate::seed::html::{attribute, end_of_tag, name_of};

const FRAME_END: &str = "</iframe>";

/// Returns sanitised HTML without hidden elements, tracking pixels, and frames whose source was removed.
pub(super) fn prune(html: &str) -> String {
    let mut kept = String::with_capacity(html.len());
    let mut rest = html;
    // The name of the element that is being left out, and the number of elements of that name that are open.
    let mut skipping: Option<(&str, usize)> = None;
    while let Some(start) = rest.find('<') {
        let (text, from_tag) = rest.split_at(start);
        let tag = &from_tag[..end_of_tag(from_tag)];
        rest = &from_tag[tag.len()..];
        if skipping.is_none() {
            kept.push_str(text);
        }
        let closes = tag.starts_with("</");
        let name = name_of(tag);
        if name == "iframe" && !closes {
            // The content of a frame is not HTML to a browser, but would be to a feed reader that removes frames.
            rest = rest.split_once(FRAME_END).map_or("", |(_, after)| after);
            if skipping.is_none() && !is_unwanted(name, tag) {
                kept.push_str(tag);
                kept.push_str(FRAME_END);
            }
            continue;
        }
        let void = matches!(name, "img" | "br" | "hr" | "source" | "wbr" | "col" | "area");
        match &mut skipping {
            Some((skipped, depth)) if *skipped == name => {
                *depth = if closes { *depth - 1 } else { *depth + 1 };
                if *depth == 0 {
                    skipping = None;
                }
            }
            Some(_) => {}
            None if !closes && is_unwanted(name, tag) => {
                if !void {
                    skipping = Some((name, 1));
                }
            }
            None => kept.push_str(tag),
        }
    }
    if skipping.is_none() {
        kept.push_str(rest);
    }
    kept
}

fn is_unwanted(name: &str, tag: &str) -> bool {
    let value = |name: &str| attribute(tag, name);
    let tiny = |attribute| value(attribute).is_some_and(|pixels| matches!(pixels, "0" | "1"));
    value("hidden").is_some()
        || value("style").is_some()
        || (name == "iframe" && value("src").is_none())
        || (name == "img" && (value("src").is_none() || tiny("width") || tiny("height")))
}
