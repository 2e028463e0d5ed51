//! Topics: from the field of that name, and from others that the configuration names.

use super::{Check, Lost};
use crate::config::SeedSettings;
use crate::seed::fields::{FrontMatter, Given};
use crate::seed::record::Topic;
use crate::syntax::yaml::{Names, Step};
use crate::text;
use crate::text::plain;

/// Most topics of one seed: each puts the seed into one more feed, and into each of them its name.
const MOST_TOPICS: usize = 50;

/// The topics that one field names.
pub(super) struct Named<'a> {
    /// The place of the field among those of the configuration; none if it is `topics`.
    pub(super) field: Option<usize>,
    path: Vec<Step<'a>>,
    pub(super) names: Vec<Option<String>>,
}

impl<'a> Check<'a> {
    /// The topics that each field names, in the order of the fields.
    pub(super) fn named_topics(&self, fields: &mut FrontMatter) -> Vec<Named<'a>> {
        let topics = fields.topics.take().map(|Given { value: Names(names), .. }| Named {
            field: None,
            path: vec![Step::Key("topics")],
            names,
        });
        let mut named = Vec::from_iter(topics);
        for (place, field) in self.rules.seeds.topic_fields.iter().enumerate() {
            let of_its_own = match &*field.key {
                "category" => fields.category.as_ref(),
                "type" => fields.kind.as_ref(),
                _ => None,
            };
            let of_its_own = of_its_own.map(|given| vec![Some(given.value.clone())]);
            let more = fields.more_topics.iter_mut().find(|(found, _)| *found == place);
            let names = of_its_own.or_else(|| more.map(|(_, Names(names))| std::mem::take(names)));
            // Forms that others fill in have empty ones.
            let is_blank = |name: &Option<String>| name.as_deref().is_none_or(|name| name.trim().is_empty());
            if let Some(names) = names.filter(|names| !names.iter().all(is_blank)) {
                let path = [Some(&field.key), field.within.as_ref()].into_iter().flatten();
                let path = path.map(|key| Step::Key(key)).collect();
                named.push(Named { field: Some(place), path, names });
            }
        }
        named
    }

    pub(super) fn topics(&mut self, named: &[Named<'_>]) -> Result<Vec<Topic>, Lost> {
        let given: usize = named.iter().map(|field| field.names.len()).sum();
        let mut topics: Vec<Topic> = Vec::with_capacity(given.min(MOST_TOPICS));
        let (mut faulty, mut left, mut most_told) = (false, MOST_TOPICS, false);
        for Named { field, path, names } in named {
            let place = |check: &Self, index| {
                check.place_of(&[path, &[Step::Index(index)][..]].concat()).or_else(|| check.place_of(path))
            };
            if names.len() > left && !most_told {
                most_told = true;
                let place = place(self, left);
                let reason = format!("the topics from here on are left out: {MOST_TOPICS} are the most");
                self.fault(place, reason, None);
            }
            for (index, name) in names.iter().enumerate().take(left) {
                let name = plain(name.as_deref().unwrap_or_default());
                match text::topic_slug(&name) {
                    Ok(slug) if topics.iter().any(|topic| *topic.slug == *slug) => {}
                    Ok(slug) => topics.push(Topic { slug: slug.into(), name: name.into() }),
                    Err(_) if field.is_some() && name.is_empty() => {}
                    Err(reason) => {
                        faulty = true;
                        let place = place(self, index);
                        self.fault(place, format!("this topic is left out: {reason}"), None);
                    }
                }
            }
            left = left.saturating_sub(names.len());
        }
        if !topics.is_empty() {
            return Ok(topics);
        }
        let settings = &self.rules.seeds;
        let refused = self.refused.iter().any(|key| *key == "topics" || settings.is_of_topics(key));
        if faulty || refused {
            return Err(Lost);
        }
        if let Some(name) = &settings.default_topic {
            return Ok(vec![Topic { slug: text::slug(name).into(), name: name.as_str().into() }]);
        }
        if named.is_empty() {
            let (reason, help) = missing(settings, self.sign());
            self.fault(Some(self.opening()), reason, Some(&help));
        } else {
            let place = self.place_of(&[Step::Key("topics")]);
            self.fault(place, "`topics` names no topic".to_owned(), None);
        }
        Err(Lost)
    }
}

/// That a seed names no topic, and what to do about it.
fn missing(settings: &SeedSettings, sign: &str) -> (String, String) {
    let others: Vec<_> = settings.topic_fields.iter().map(|field| format!(", `{field}`")).collect();
    let help = format!("add `topics{sign} …`: a name, or a list of names");
    if others.is_empty() {
        return ("a seed needs `topics`, or it would be in no topic's feed".to_owned(), help);
    }
    let reason =
        format!("a seed needs one of `topics`{}, or it would be in no topic's feed", others.concat());
    (reason, "add one, or set `default_topic` for all that have none".to_owned())
}
