//! Filters the attributes of elements and their values.

use std::borrow::Cow;
use std::collections::HashMap;

use url::Url;

use crate::seed::link;

/// Returns the value that an attribute is kept with, or `None` if it is removed.
pub(super) fn kept_value<'v>(
    element: &str,
    attribute: &str,
    value: &'v str,
    base: &Url,
    frame_hosts: &[String],
) -> Option<Cow<'v, str>> {
    match (element, attribute) {
        ("iframe", "src") => {
            let mut url = base.join(value).ok()?;
            // A page served over https may not frame one served over http. These hosts serve both.
            if url.scheme() == "http" {
                url.set_scheme("https").ok()?;
            }
            let known = frame_hosts.iter().any(|host| url.authority() == host);
            if known { link::in_content(url.as_str(), base).map(Cow::Owned) } else { None }
        }
        // Ids are removed, so a fragment has no target.
        (_, "href") if value.trim_start().starts_with('#') => None,
        (_, "href" | "src" | "poster" | "cite") => {
            let address = link::in_content(value, base)?;
            // `mailto:` is allowed only in links.
            (element == "a" || link::is_web(&address)).then_some(Cow::Owned(address))
        }
        ("iframe" | "img" | "video", "width" | "height") => {
            pixels(value).map(|pixels| Cow::Owned(pixels.to_string()))
        }
        (_, "srcset") => {
            let candidates = candidates(value).into_iter().filter_map(|(address, size)| {
                Some(format!("{} {size}", link::web(address, base)?).trim_end().to_owned())
            });
            Some(candidates.collect::<Vec<_>>().join(", ")).filter(|set| !set.is_empty()).map(Cow::Owned)
        }
        // Kept until pruning, which removes the elements that a style hides.
        (_, "style") => hides(value, element == "img").then_some(Cow::Borrowed(value)),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// Returns a length in whole pixels. A length in another unit has none, except for zero.
fn pixels(length: &str) -> Option<u32> {
    let length = length.trim();
    let digits = length.find(|c: char| !c.is_ascii_digit()).unwrap_or(length.len());
    let whole: u32 = length[..digits].parse().ok()?;
    let unit = length[digits..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit()).trim();
    match unit.to_ascii_lowercase().as_str() {
        "" | "px" => Some(whole),
        _ => Some(whole).filter(|whole| *whole == 0),
    }
}

/// Returns `true` if a style hides its element. An image of at most one pixel counts as hidden too.
///
/// A font size of zero does not hide: newsletters use it to close gaps between columns.
fn hides(style: &str, is_image: bool) -> bool {
    let declarations = style.split(';').filter_map(|declaration| declaration.split_once(':'));
    let declarations = declarations.map(|(property, value)| {
        let value = value.to_ascii_lowercase();
        let value = value.split('!').next().unwrap_or_default().trim().to_owned();
        (property.trim().to_ascii_lowercase(), value)
    });
    let declared: HashMap<String, String> = declarations.collect();
    let is = |property: &str, expected: &str| declared.get(property).is_some_and(|value| value == expected);
    let at_most = |property: &str, most: u32| {
        declared.get(property).and_then(|value| pixels(value)).is_some_and(|length| length <= most)
    };
    let clipped = is("overflow", "hidden") && (at_most("max-height", 0) || at_most("height", 0));
    let transparent = declared.get("opacity").and_then(|value| value.parse::<f32>().ok()) == Some(0.0);
    is("display", "none")
        || is("visibility", "hidden")
        || is("mso-hide", "all")
        || clipped
        || transparent
        || (is_image && (at_most("width", 1) || at_most("height", 1)))
}

/// Returns the addresses of a `srcset`, each with its size (HTML §4.8.4.2.1). An address ends at white space or
/// with a comma, a size at a comma.
fn candidates(set: &str) -> Vec<(&str, &str)> {
    let mut candidates = Vec::new();
    let mut rest = set;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            return candidates;
        }
        let (address, after) =
            rest.split_at(rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len()));
        let alone = address.trim_end_matches(',');
        let (size, after) =
            if alone == address { after.split_once(',').unwrap_or((after, "")) } else { ("", after) };
        candidates.push((alone, size.trim()));
        rest = after;
    }
}
