//! Slugs: the names of topics and selections in addresses and file names.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Length of the longest slug in bytes. Every file name made from it fits in 255 bytes.
const MAX_LENGTH: usize = 200;

/// Returns the slug of a name: NFC, lower case, `+ # & @` spelled out, every other run of
/// characters that are not letters, marks or digits one hyphen, none at the ends.
pub fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    let mut gap = false;
    let mut push = |c: char| {
        if is_word(c) {
            if gap && !slug.is_empty() {
                slug.push('-');
            }
            gap = false;
            slug.push(c);
        } else {
            gap = true;
        }
    };
    // ASCII is in NFC.
    let folded: String = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        name.nfc().collect::<String>().to_lowercase().nfc().collect()
    };
    for c in folded.chars() {
        match spelled_out(c) {
            Some(word) => word.chars().for_each(&mut push),
            None => push(c),
        }
    }
    slug
}

fn spelled_out(c: char) -> Option<&'static str> {
    match c {
        '+' => Some(" plus "),
        '#' => Some(" sharp "),
        '&' => Some(" and "),
        '@' => Some(" at "),
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Mark | GeneralCategoryGroup::Number
    )
}

/// Returns the slug of the name of a topic.
///
/// # Errors
///
/// The reason why a topic cannot have this name.
pub fn topic_slug(name: &str) -> Result<String, &'static str> {
    match address_slug(name)? {
        slug if slug == "index" => Err("`index` is the address of the list of topics"),
        slug => Ok(slug),
    }
}

/// Returns the slug of a name for use in an address.
///
/// # Errors
///
/// The reason why the name cannot be part of an address.
pub fn address_slug(name: &str) -> Result<String, &'static str> {
    const TOO_LONG: &str = "this name is too long for an address (200 bytes at most)";
    if name.split(['/', '\\']).any(|part| part == "..") {
        return Err("a name cannot have `..` as a path segment");
    }
    // Avoids the work for a name that is too long in any case.
    if name.len() > 4 * MAX_LENGTH {
        return Err(TOO_LONG);
    }
    let slug = slug(name);
    match slug.as_str() {
        "" => Err("a name needs a letter or a digit to have an address"),
        _ if slug.len() > MAX_LENGTH => Err(TOO_LONG),
        _ => Ok(slug),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slug_has_letters_digits_and_hyphens() {
        for (name, expected) in [
            ("Power Apps", "power-apps"),
            ("C", "c"),
            ("C++", "c-plus-plus"),
            ("C#", "c-sharp"),
            ("R&D", "r-and-d"),
            ("@home", "at-home"),
            ("机器学习", "机器学习"),
            ("Énergie", "énergie"),
            ("E\u{301}nergie", "énergie"),
            ("हिन्दी", "हिन्दी"),
            ("  --TCP/IP!  ", "tcp-ip"),
            (".NET", "net"),
            ("½ life", "½-life"),
            ("../../etc", "etc"),
            ("🚀", ""),
            ("İstanbul", "i\u{307}stanbul"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
    }

    #[test]
    fn names_without_a_safe_slug_are_refused() {
        for name in ["..", "../all", "a/../../b", "..\\x", "", "!!!", "🚀", "Index", &"x".repeat(201)] {
            assert!(topic_slug(name).is_err(), "{name}");
        }
        for name in ["TCP/IP", ".NET", "C++", "all", "a..b"] {
            assert!(topic_slug(name).is_ok(), "{name}");
        }
        assert_eq!(address_slug("Index").as_deref(), Ok("index"));
    }

    proptest! {
        #[test]
        fn slug_is_its_own_slug_and_a_safe_file_name(name in "\\PC{0,40}") {
            let once = slug(&name);
            prop_assert_eq!(slug(&once), once.clone());
            prop_assert!(!once.contains(['/', '\\', '.', '%', '?', '#', ' ', '\0']));
            prop_assert!(!once.starts_with('-') && !once.ends_with('-') && !once.contains("--"));
        }
    }
}
