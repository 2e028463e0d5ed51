//! Prunes sanitised HTML: removes hidden elements, tracking pixels, and frames without a source.

use crate::seed::html::{Segment, Tag, segments};

/// Returns sanitised HTML without hidden elements, tracking pixels, and frames whose source was removed.
pub(super) fn prune(html: &str) -> String {
    let mut kept = String::with_capacity(html.len());
    // The name of the element that is being left out, and the number of elements of that name that are open.
    let mut skipping: Option<(String, usize)> = None;
    let mut is_in_frame = false;
    for Segment { text, tag } in segments(html) {
        if skipping.is_none() && !is_in_frame {
            kept.push_str(text);
        }
        let Some(tag) = tag else { break };
        // The content of a frame is text to a browser, but would be HTML to a feed reader that removes frames.
        if tag.name() == "iframe" {
            is_in_frame = !tag.is_end();
            if is_in_frame && skipping.is_none() && !is_unwanted(&tag) {
                kept.push_str(tag.source);
                kept.push_str("</iframe>");
            }
            continue;
        }
        match &mut skipping {
            Some((skipped, depth)) if skipped == tag.name() => {
                *depth = if tag.is_end() { *depth - 1 } else { *depth + 1 };
                if *depth == 0 {
                    skipping = None;
                }
            }
            Some(_) => {}
            None if is_unwanted(&tag) => {
                skipping = (!is_void(tag.name())).then(|| (tag.name().to_owned(), 1));
            }
            None => kept.push_str(tag.source),
        }
    }
    kept
}

/// Returns `true` if an element has no end tag.
fn is_void(name: &str) -> bool {
    matches!(name, "img" | "br" | "hr" | "source" | "wbr" | "col" | "area")
}

/// Returns `true` if an element is removed for the attributes of its start tag.
fn is_unwanted(tag: &Tag<'_>) -> bool {
    let has = |name| tag.attribute(name).is_some();
    let is_tiny = |name| tag.attribute(name).is_some_and(|pixels| matches!(pixels, "0" | "1"));
    has("hidden")
        || has("style")
        || (!tag.is_end() && tag.name() == "iframe" && !has("src"))
        || (!tag.is_end() && tag.name() == "img" && (!has("src") || is_tiny("width") || is_tiny("height")))
}
