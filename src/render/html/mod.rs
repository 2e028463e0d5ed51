//! HTML pages, for people with a browser.

mod asset;
mod template;
mod link;
mod date;
mod frame;
mod home;
mod missing;
mod form;
mod card;
mod feed_page;

pub use asset::FILES;
pub(super) use feed_page::render;
pub use home::home;
pub use missing::{MISSING, missing};
pub use template::templates;
