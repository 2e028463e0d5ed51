//! Topics: from `topics`, and from the fields in the setting `topic_fields`.

use super::faults::{Check, Rejected};
use crate::config::SeedSettings;
use crate::seed::fields::{FieldValue, FrontMatter};
use crate::seed::record::Topic;
use crate::syntax::yaml::{Names, Step};
use crate::text;
use crate::text::plain;

/// Number of topics of one seed. Each adds the seed to a feed, and its name to all of these feeds.
const MAX_TOPICS: usize = 50;

/// The topics in one field.
pub(super) struct FieldTopics<'a> {
    /// The index of the field in `topic_fields`, or `None` for `topics`.
    pub(super) field: Option<usize>,
    path: Vec<Step<'a>>,
    pub(super) names: Vec<Option<String>>,
}

impl<'a> Check<'a> {
    /// Returns the topics in each field, in the order of the fields.
    pub(super) fn field_topics(&self, fields: &mut FrontMatter) -> Vec<FieldTopics<'a>> {
        let topics = fields.topics.take().map(|FieldValue { value: Names(names), .. }| FieldTopics {
            field: None,
            path: vec![Step::Key("topics")],
            names,
        });
        let mut all = Vec::from_iter(topics);
        for (index, field) in self.rules.seeds.topic_fields.iter().enumerate() {
            let own = match &*field.key {
                "category" => fields.category.as_ref(),
                "type" => fields.kind.as_ref(),
                _ => None,
            };
            let own = own.map(|field| vec![Some(field.value.clone())]);
            let more = fields.more_topics.iter_mut().find(|(found, _)| *found == index);
            let names = own.or_else(|| more.map(|(_, Names(names))| std::mem::take(names)));
            // Templates leave empty fields.
            let is_blank = |name: &Option<String>| name.as_deref().is_none_or(|name| name.trim().is_empty());
            if let Some(names) = names.filter(|names| !names.iter().all(is_blank)) {
                let path = [Some(&field.key), field.within.as_ref()].into_iter().flatten();
                let path = path.map(|key| Step::Key(key)).collect();
                all.push(FieldTopics { field: Some(index), path, names });
            }
        }
        all
    }

    /// Returns the topics of the seed, each once.
    pub(super) fn topics(&mut self, fields: &[FieldTopics<'_>]) -> Result<Vec<Topic>, Rejected> {
        let count: usize = fields.iter().map(|field| field.names.len()).sum();
        let mut topics: Vec<Topic> = Vec::with_capacity(count.min(MAX_TOPICS));
        let (mut has_fault, mut left, mut limit_reported) = (false, MAX_TOPICS, false);
        for FieldTopics { field, path, names } in fields {
            let place = |check: &Self, index| {
                check.place_of(&[path, &[Step::Index(index)][..]].concat()).or_else(|| check.place_of(path))
            };
            if names.len() > left && !limit_reported {
                limit_reported = true;
                let place = place(self, left);
                let reason = format!("the topics from here on are left out: a seed can have {MAX_TOPICS}");
                self.fault(place, reason, None);
            }
            for (index, name) in names.iter().enumerate().take(left) {
                let name = plain(name.as_deref().unwrap_or_default());
                match text::topic_slug(&name) {
                    Ok(slug) if topics.iter().any(|topic| *topic.slug == *slug) => {}
                    Ok(slug) => topics.push(Topic { slug: slug.into(), name: name.into() }),
                    Err(_) if field.is_some() && name.is_empty() => {}
                    Err(reason) => {
                        has_fault = true;
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
        let is_mistyped =
            self.is_mistyped("topics") || self.mistyped.iter().any(|key| settings.is_of_topics(key));
        if has_fault || is_mistyped {
            return Err(Rejected);
        }
        if let Some(name) = &settings.default_topic {
            return Ok(vec![Topic { slug: text::slug(name).into(), name: name.as_str().into() }]);
        }
        if fields.is_empty() {
            let (reason, help) = missing_topics(settings, self.sign());
            self.fault(Some(self.opening()), reason, Some(&help));
        } else {
            let place = self.place_of(&[Step::Key("topics")]);
            self.fault(place, "`topics` has no topic".to_owned(), None);
        }
        Err(Rejected)
    }
}

/// Returns the reason and the help of the fault that a seed has no topic.
fn missing_topics(settings: &SeedSettings, sign: &str) -> (String, String) {
    let others: Vec<_> = settings.topic_fields.iter().map(|field| format!(", `{field}`")).collect();
    let help = format!("add `topics{sign} …`: a name, or a list of names");
    if others.is_empty() {
        return ("a seed needs `topics`, or it would be in no topic's feed".to_owned(), help);
    }
    let reason =
        format!("a seed needs one of `topics`{}, or it would be in no topic's feed", others.concat());
    (reason, "add one, or set `default_topic` in sower.yaml".to_owned())
}
