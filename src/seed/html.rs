//! Reads tags and attributes of sanitised HTML, which is regular: every attribute is quoted, every element closed.

/// The opening tags of sanitised HTML, and their names.
pub(super) fn tags(html: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            let from_tag = &rest[rest.find('<')?..];
            let (tag, after) = from_tag.split_at(end_of_tag(from_tag));
            rest = after;
            if !tag.starts_with("</") {
                return Some((name_of(tag), tag));
            }
        }
    })
}

/// The name of the element that a tag opens or closes.
pub(super) fn name_of(tag: &str) -> &str {
    let name = tag.trim_start_matches(['<', '/']);
    name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()
}

/// The attributes of a tag in sanitised HTML: names, and what they say, with its entities.
fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    // Before an odd quotation mark stands a name, before an even one a value.
    let mut parts = tag.split('"');
    std::iter::from_fn(move || {
        let (_, name) = parts.next()?.strip_suffix('=')?.rsplit_once(' ')?;
        Some((name, parts.next()?))
    })
}

/// What an attribute of a tag in sanitised HTML says, with its entities.
pub(super) fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    attributes(tag).find_map(|(known, value)| (known == name).then_some(value))
}

/// The length of the tag that a text begins with; a `>` may stand in a quoted value.
pub(super) fn end_of_tag(text: &str) -> usize {
    let mut quoted = false;
    let end = text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b'>' && !quoted
    });
    end.map_or(text.len(), |end| end + 1)
}
