//! A variable whose value is that of the key that another value names.

use std::path::PathBuf;

use crate::nginx::text::Text;

/// What `etcd_map` sets.
#[derive(Debug)]
pub(crate) struct MapConf {
    /// The variable's name with the dollar sign, as it is written.
    pub(crate) name: String,
    /// What names the key.
    pub(crate) source: Text,
    /// The name of a cluster; that there is one of this name is checked at the end of the
    /// configuration.
    pub(crate) cluster: String,
    /// The prefix of the keys; it ends with a slash.
    pub(crate) prefix: String,
    /// `hostnames`: keys may be names of hosts with a mask.
    pub(crate) has_hostnames: bool,
    /// `default=`: the value where no key matches; empty without it.
    pub(crate) default: String,
    /// `split=`: values are lists of names with weights, of which this text chooses one.
    pub(crate) split: Option<Text>,
    /// `volatile`: the variable is evaluated anew each time it is used.
    pub(crate) is_volatile: bool,
    /// `secret`: values may have several lines, and nothing shows or keeps them.
    pub(crate) is_secret: bool,
    /// `state=`: where the values are kept for a start without etcd; other maps with the same keys
    /// and the same form have the same file, or say none.
    pub(crate) state: Option<PathBuf>,
    /// `zone=`: the size of the shared memory of the prefix, in bytes.
    pub(crate) zone_size: usize,
    /// `max_length=`: the length of the longest value, in bytes.
    pub(crate) max_length: usize,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: String,
}

impl MapConf {
    /// Whether the other one says the same, at another place.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let Self {
            name,
            source,
            cluster,
            prefix,
            has_hostnames: _,
            default,
            split,
            is_volatile,
            is_secret: _,
            state,
            zone_size,
            max_length,
            place: _,
        } = self;
        let written = |text: &Option<Text>| text.as_ref().map(|text| text.written.clone());
        name.eq_ignore_ascii_case(&other.name)
            && (cluster, prefix) == (&other.cluster, &other.prefix)
            && self.form() == other.form()
            && (zone_size, max_length) == (&other.zone_size, &other.max_length)
            && state == &other.state
            && (default, is_volatile) == (&other.default, &other.is_volatile)
            && (&source.written, written(split)) == (&other.source.written, written(&other.split))
    }

    /// The parameters that say what keys and values are valid: maps with the same keys and the same
    /// form share their memory.
    pub(crate) fn form(&self) -> String {
        let flags = [
            (self.has_hostnames, ",hostnames"),
            (self.split.is_some(), ",split"),
            (self.is_secret, ",secret"),
        ];
        flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
    }
}
