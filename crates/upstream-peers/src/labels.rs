//! What a value says of a peer beside its address and its parameters: metadata, tags and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

/// Labels that are kept of a peer at most.
pub const MAX_LABELS: usize = 16;

/// Bytes that the names and values of a peer's labels have at most together. They are in the zone.
pub const MAX_LABEL_BYTES: usize = 512;

/// Names that are kept before others, since peers are chosen by them.
const BEFORE_OTHERS: [&str; 8] =
    ["version", "group", "role", "tag", "zone", "region", "cluster", "protocol"];

/// The labels of a peer, in the order of their names.
///
/// Of those that a value has, as many are kept as [`MAX_LABELS`] and [`MAX_LABEL_BYTES`] permit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Option<Arc<str>>);

/// What may be said of a label by its name.
type Pairs = BTreeMap<String, String>;

impl Labels {
    /// Takes them from the text that [`text`](Self::text) gives. One that is none counts as no
    /// labels.
    pub fn of_text(text: Option<Arc<str>>) -> Self {
        Self(text.filter(|text| serde_json::from_str::<Pairs>(text).is_ok()))
    }

    /// The labels of these names and values.
    pub fn of_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut found = FoundLabels::default();
        pairs.into_iter().for_each(|(name, value)| found.add(name, value.to_owned()));
        found.keep(&Reading::default())
    }

    /// The labels as a JSON object of strings; `None` if there are none.
    pub fn text(&self) -> Option<&Arc<str>> {
        self.0.as_ref()
    }

    /// Names and values.
    pub fn pairs(&self) -> BTreeMap<String, String> {
        self.0.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// Which labels a peer must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select(Pairs);

impl Select {
    /// Adds `KEY=VALUE`. Says whether the key is a new one.
    ///
    /// # Errors
    ///
    /// [`NotALabel`] for a word without a `=`, or without anything before or behind it: no peer has
    /// such a label.
    pub fn add(&mut self, word: &str) -> Result<bool, NotALabel> {
        let is_label = |(name, value): &(&str, &str)| !name.is_empty() && !value.is_empty();
        let (name, value) = word.split_once('=').filter(is_label).ok_or(NotALabel)?;
        Ok(self.0.insert(name.to_owned(), value.to_owned()).is_none())
    }

    /// How many labels there are. No peer has more than [`MAX_LABELS`].
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes of their names and values. No peer has more than [`MAX_LABEL_BYTES`].
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Whether any peer is one that is wanted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a peer with these labels is one that is wanted.
    pub fn wants(&self, labels: &Labels) -> bool {
        if self.is_empty() {
            return true;
        }
        let labels = labels.pairs();
        self.0.iter().all(|(name, value)| labels.get(name) == Some(value))
    }
}

/// A word of `etcd_select` that does not say which label has which value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be KEY=VALUE")]
pub struct NotALabel;

/// The schemes of the endpoints that are meant where none is named.
pub(crate) const SCHEMES: [&str; 2] = ["http", "https"];

/// Stands for the endpoint that a value names beside those with schemes.
pub(crate) const NO_SCHEME: &str = "";

/// What is taken of values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Which of several endpoints is meant; by default those with `http`, or else `https`.
    pub scheme: Option<String>,
    /// The labels that peers must have.
    pub select: Select,
    /// The label that says which group a peer is in; it is kept before others.
    pub grouped_by: Option<String>,
    /// The value is for an upstream in nginx's stream: an address must say its port, since there is
    /// no default one, and may be one of UDP.
    pub is_stream: bool,
}

impl Reading {
    /// Whether a peer is one that is wanted, which has these labels and is at the endpoint of this
    /// scheme, if its value has several ones.
    pub fn wants(&self, labels: &Labels, scheme: Option<&str>) -> bool {
        let is_meant = |scheme: &str| match &self.scheme {
            Some(wanted) => wanted == scheme,
            None => scheme == NO_SCHEME || SCHEMES.contains(&scheme),
        };
        scheme.is_none_or(is_meant) && self.select.wants(labels)
    }

    /// Whether a label of this name is kept before others.
    fn needs(&self, name: &str) -> bool {
        self.select.0.contains_key(name) || self.grouped_by.as_deref() == Some(name)
    }
}

/// The labels that a value has, before some are left out.
#[derive(Clone, Default)]
pub(crate) struct FoundLabels(Vec<(String, String)>);

impl FoundLabels {
    /// Adds one, unless it says nothing.
    pub(crate) fn add(&mut self, name: &str, value: String) {
        if !name.is_empty() && !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
    }

    /// Adds a field of an object, if it is a text, a number or a flag.
    pub(crate) fn add_json(&mut self, name: &str, value: &Json) {
        match value {
            Json::String(text) => self.add(name, text.clone()),
            Json::Number(_) | Json::Bool(_) => self.add(name, value.to_string()),
            Json::Null | Json::Array(_) | Json::Object(_) => {}
        }
    }

    /// Adds the fields of an object, if it is one.
    pub(crate) fn add_all(&mut self, object: Option<&Json>) {
        if let Some(Json::Object(fields)) = object {
            fields.iter().for_each(|(name, value)| self.add_json(name, value));
        }
    }

    /// Those that are kept. Of several with the same name the first one counts.
    pub(crate) fn keep(mut self, reading: &Reading) -> Labels {
        let rank = |name: &str| {
            if reading.needs(name) {
                return 0;
            }
            1 + BEFORE_OTHERS.iter().position(|known| *known == name).unwrap_or(BEFORE_OTHERS.len())
        };
        self.0.sort_by_key(|(name, _)| rank(name));
        let (mut kept, mut names, mut bytes) = (Map::new(), BTreeSet::new(), 0);
        for (name, value) in self.0 {
            let length = name.len() + value.len();
            if kept.len() == MAX_LABELS {
                break;
            }
            if bytes + length <= MAX_LABEL_BYTES && names.insert(name.clone()) {
                bytes += length;
                kept.insert(name, value.into());
            }
        }
        Labels((!kept.is_empty()).then(|| Json::Object(kept).to_string().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_texts_in_the_order_of_their_names() {
        let labels = Labels::of_pairs([("b", "2"), ("a", "1\n"), ("", "x"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.text().map(|text| &**text), Some(r#"{"a":"1\n","b":"2"}"#));
        assert_eq!(Labels::of_text(labels.text().cloned()), labels);
        assert_eq!(Labels::of_pairs([]), Labels::default());
        assert_eq!(Labels::of_text(Some("{\"a\":1}".into())), Labels::default());
    }

    #[test]
    fn what_is_beyond_the_limits_is_left_out() {
        let names: Vec<String> = (0..100).map(|number| format!("n{number:02}")).collect();
        let mut found = FoundLabels::default();
        for name in &names {
            found.add(name, "x".to_owned());
        }
        found.add("long", "x".repeat(MAX_LABEL_BYTES));
        found.add("version", "2".to_owned());
        found.add("late", "y".to_owned());
        let mut select = Select::default();
        assert_eq!(select.add("late=y"), Ok(true));
        let reading = Reading { select: select.clone(), ..Reading::default() };
        let kept = found.clone().keep(&reading);
        assert_eq!(kept.pairs().len(), MAX_LABELS);
        assert!(select.wants(&kept) && kept.pairs().contains_key("version"), "{kept:?}");
        let grouped = Reading { grouped_by: Some("late".to_owned()), ..Reading::default() };
        assert!(select.wants(&found.clone().keep(&grouped)));
        assert!(!select.wants(&found.keep(&Reading::default())), "it is behind the others");
        let bytes = |labels: &Labels| -> usize {
            labels.pairs().iter().map(|(name, value)| name.len() + value.len()).sum()
        };
        let mut found = FoundLabels::default();
        for name in &names {
            found.add(name, "x".repeat(100));
        }
        let kept = found.keep(&Reading::default());
        assert!(bytes(&kept) <= MAX_LABEL_BYTES && !kept.pairs().is_empty(), "{kept:?}");
    }

    #[test]
    fn all_labels_must_be_as_selected() {
        let mut select = Select::default();
        assert!(select.is_empty() && select.wants(&Labels::default()));
        assert_eq!(select.add("role=replica"), Ok(true));
        assert_eq!(select.add("expression=a=b"), Ok(true));
        assert_eq!((select.len(), select.bytes()), (2, 24));
        for word in ["role", "=replica", "role=", "=", ""] {
            assert_eq!(select.clone().add(word), Err(NotALabel), "{word}");
        }
        assert_eq!(select.clone().add("role=primary"), Ok(false));
        let labels = |role| Labels::of_pairs([("role", role), ("expression", "a=b"), ("x", "y")]);
        assert!(select.wants(&labels("replica")) && !select.wants(&labels("primary")));
        assert!(!select.wants(&Labels::of_pairs([("role", "replica")])));
    }
}
