//! The groups of an upstream's peers.

use std::sync::Arc;

use upstream_peers::Labels;

use super::settings::SettingsConf;
use crate::nginx::text::Text;

/// The longest name of a group, in bytes: that of a DNS name.
pub(crate) const MAX_GROUP: usize = 255;

/// What `etcd_group` sets.
#[derive(Debug)]
pub(crate) struct GroupConf {
    /// The name of a request's group.
    pub(crate) text: Text,
    /// `by=`: which group a peer is in.
    pub(crate) by: GroupBy,
    /// `else=`: among which peers a request chooses whose group is unknown or empty.
    pub(crate) otherwise: Otherwise,
    /// `settings=`: where groups have settings of their own.
    pub(crate) settings: Option<&'static SettingsConf>,
}

/// Which group a peer is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupBy {
    /// `key`: the first segment of its key below the prefix names it.
    Key,
    /// `label:NAME`: the label of this name does.
    Label(String),
}

/// Among which peers a request chooses whose group is unknown or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// `none`: among none.
    Nobody,
    /// `any`: among those of any group.
    Any,
    /// Among those of this group.
    Group(String),
}

/// Whether a text can be the name of a group.
pub(crate) fn is_group(name: &[u8]) -> bool {
    (1..=MAX_GROUP).contains(&name.len())
}

impl GroupBy {
    /// The group of a peer with this key below the prefix and these labels (the text of
    /// [`Labels`]); `None` if it is in none.
    pub(crate) fn group_of(&self, key: &str, labels: Option<&Arc<str>>) -> Option<Arc<str>> {
        let name: Arc<str> = match self {
            Self::Key => key.split('/').next()?.into(),
            Self::Label(label) => {
                let labels = Labels::of_text(labels.cloned());
                labels.pairs().remove(label)?.into()
            }
        };
        is_group(name.as_bytes()).then_some(name)
    }

    /// The label by which peers are grouped.
    pub(crate) fn label(&self) -> Option<&str> {
        match self {
            Self::Key => None,
            Self::Label(label) => Some(label),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_or_a_label_names_the_group() {
        let labels: Arc<str> = r#"{"version":"v2","empty":""}"#.into();
        let by_label = |label: &str| GroupBy::Label(label.to_owned());
        for (by, key, expected) in [
            (GroupBy::Key, "web/node-1", Some("web")),
            (GroupBy::Key, "web", Some("web")),
            (GroupBy::Key, "web/eu/1", Some("web")),
            (GroupBy::Key, "/node-1", None),
            (GroupBy::Key, "", None),
            (by_label("version"), "web/node-1", Some("v2")),
            (by_label("empty"), "web/node-1", None),
            (by_label("zone"), "web/node-1", None),
        ] {
            assert_eq!(by.group_of(key, Some(&labels)).as_deref(), expected, "{by:?} {key}");
        }
        assert_eq!(by_label("version").group_of("web", None), None);
        let long = "x".repeat(MAX_GROUP);
        assert_eq!(GroupBy::Key.group_of(&long, None).as_deref(), Some(&*long));
        assert_eq!(GroupBy::Key.group_of(&format!("{long}x/1"), None), None);
    }
}
