//! Feeds: selecting the entries, and arranging them in documents.

mod selection;
mod topic_links;
mod choices;
mod tally;
mod matching;
mod about;
mod document;
mod logical;
mod outline;

pub use about::{About, about};
pub use choices::Choices;
pub use document::{FeedDocument, ShownEntry, Unpack};
pub use logical::LogicalFeed;
pub use matching::{Mismatch, mismatch};
pub use outline::{Outline, outlines};
pub use selection::Selection;
pub use tally::Tally;
pub use topic_links::TopicLinks;
