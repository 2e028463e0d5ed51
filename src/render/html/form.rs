//! The form with which readers make a selection of their own.

use serde::Serialize;
use url::form_urlencoded;

use crate::config::criteria::Criterion;
use crate::feed::{Choices, Selection};
use crate::render::html::link::at_home;
use crate::render::path::address;
use crate::render::publication::Publication;

/// The options and the current values of the form.
#[derive(Serialize)]
pub(super) struct Form {
    action: String,
    topics: Vec<Choice>,
    /// The chosen topics that are not offered.
    others: String,
    types: Vec<Choice>,
    min_quality: String,
    providers: String,
    by_heat: bool,
    /// The criteria that the form does not offer, which are kept.
    kept: Vec<(String, String)>,
    /// Set if any criterion is chosen.
    chosen: bool,
}

#[derive(Serialize)]
struct Choice {
    slug: String,
    name: String,
    entries: usize,
    chosen: bool,
}

pub(super) fn form(choices: &Choices, publication: &Publication) -> Form {
    let Choices { topics, types, chosen } = choices;
    let others = chosen.any.iter().filter(|slug| !topics.iter().any(|(listed, ..)| listed == *slug));
    let is_offered = |name: &str| {
        let offered =
            [Criterion::Any, Criterion::Type, Criterion::Provider, Criterion::MinQuality, Criterion::Order];
        Criterion::named(name).is_some_and(|criterion| offered.contains(&criterion))
    };
    let query = chosen.query();
    let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| !is_offered(name));
    let topic = |(slug, name, entries): &(std::sync::Arc<str>, String, usize)| Choice {
        slug: slug.to_string(),
        name: name.clone(),
        entries: *entries,
        chosen: chosen.any.contains(slug),
    };
    let kind = |(kind, entries): &(std::sync::Arc<str>, usize)| Choice {
        slug: kind.to_string(),
        name: kind.to_string(),
        entries: *entries,
        chosen: chosen.types.contains(kind),
    };
    Form {
        action: at_home(&address(&publication.url, Selection::ALL), publication),
        topics: topics.iter().map(topic).collect(),
        others: others.map(|slug| &**slug).collect::<Vec<_>>().join(", "),
        types: types.iter().map(kind).collect(),
        min_quality: chosen.min_quality.map(|lowest| lowest.to_string()).unwrap_or_default(),
        providers: chosen.providers.iter().map(|provider| &**provider).collect::<Vec<_>>().join(", "),
        by_heat: chosen.by_heat(),
        kept: kept.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        chosen: !query.is_empty(),
    }
}
