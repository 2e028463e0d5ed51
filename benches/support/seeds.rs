//! Seeds of about 3 KB, the same in each run.

use std::fmt::Write as _;

/// The number of topics.
pub(crate) const TOPICS: usize = 50;

/// Returns the first topic of a seed.
pub(crate) fn topic(number: usize) -> usize {
    number % TOPICS
}

/// Returns a seed of one topic. Each number is an hour newer than the one before.
pub(crate) fn text(number: usize, title: &str, topic: usize) -> String {
    let mut text = format!(
        "---\ntitle: {title}\ndate: {}-{:02}-{:02}T{:02}:00:00Z\nwebUrl: https://example.org/{number}\n\
         excerpt: A short summary of entry {number}\ntopics: [Topic {topic}]\nprovider: {{name: Example, domain: example.org}}\n---\n",
        2010 + number / (24 * 28 * 12),
        1 + number / (24 * 28) % 12,
        1 + number / 24 % 28,
        number % 24,
    );
    for paragraph in 0..12 {
        let _ = write!(
            text,
            "Paragraph {paragraph} of **{number}** with [a link](https://example.org/{paragraph}). "
        );
        text.push_str(&"Words that are long enough to fill a line and more. ".repeat(3));
        text.push_str("\n\n");
    }
    text
}
