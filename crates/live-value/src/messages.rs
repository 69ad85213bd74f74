//! What the log says of live variables.

/// How messages call what a kind of variables is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nouns {
    /// What the names that messages have are of: `variable`.
    pub subject: &'static str,
    /// What the keys name, in the plural: `networks`.
    pub values: &'static str,
    /// What stays while etcd has nothing: `current networks are kept`.
    pub kept: &'static str,
    /// What goes once that has lasted for too long: `current networks are removed`.
    pub removed: &'static str,
    /// A valid value of a key with a prefix: `network`.
    pub one: &'static str,
    /// What stays of a key whose value is rejected: `the last valid value is kept`.
    pub last_valid: &'static str,
}

/// The keys that are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveKeys {
    /// One key.
    One(String),
    /// All that begin with this.
    Prefix(String),
}

impl LiveKeys {
    /// The key, or the prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let (Self::One(text) | Self::Prefix(text)) = self;
        text
    }
}

/// The messages about variables that are made of the same keys. All are one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// The names of the variables, each with its dollar sign, or of the upstream.
    pub names: Vec<String>,
    /// What they are made of.
    pub keys: LiveKeys,
    /// How that is called.
    pub nouns: Nouns,
}

impl Messages {
    /// The keys that are watched: `prefix "/a/"`.
    #[must_use]
    pub fn watched(&self) -> String {
        match &self.keys {
            LiveKeys::One(key) => format!("key \"{key}\""),
            LiveKeys::Prefix(prefix) => format!("prefix \"{prefix}\""),
        }
    }

    /// The values have changed; `summary` is what they are now.
    #[must_use]
    pub fn changed(&self, summary: &str, revision: u64) -> String {
        self.line(&format!("{summary}, revision {revision}"))
    }

    /// The values outlive a wiped etcd for `seconds` at most. `etcd` says what has become of it:
    /// `etcd was replaced by another cluster`.
    #[must_use]
    pub fn held(&self, etcd: &str, seconds: u64) -> String {
        let kept = self.nouns.kept;
        let (lacked, it) = self.lacked();
        self.line(&format!(
            "{etcd} and has no {lacked}; {kept} until {it} appears, for {seconds} s at most"
        ))
    }

    /// The time is over for which they outlive a wiped etcd.
    #[must_use]
    pub fn hold_ended(&self, etcd: &str, seconds: u64) -> String {
        let (removed, (lacked, _)) = (self.nouns.removed, self.lacked());
        self.line(&format!("{etcd} and has had no {lacked} for {seconds} s: {removed}"))
    }

    /// Why a value is rejected, as the status shows it: a key with a prefix is named.
    #[must_use]
    pub fn rejection(&self, key: &str, reason: &str) -> String {
        match &self.keys {
            LiveKeys::One(_) => reason.to_owned(),
            LiveKeys::Prefix(prefix) => format!("key \"{prefix}{key}\" rejected: {reason}"),
        }
    }

    /// A value is rejected.
    #[must_use]
    pub fn rejected(&self, key: &str, reason: &str) -> String {
        let (start, last_valid) = (self.keys.as_str(), self.nouns.last_valid);
        self.line(&format!("key \"{start}{key}\" rejected: {reason}; {last_valid}"))
    }

    /// So many more values are rejected, without a line each.
    #[must_use]
    pub fn more_rejected(&self, count: usize) -> String {
        self.line(&format!("{count} more keys rejected"))
    }

    /// What the values are of, by its names: `variable "$a", "$b"`.
    #[must_use]
    pub fn named(&self) -> String {
        format!("{} \"{}\"", self.nouns.subject, self.names.join("\", \""))
    }

    /// What a wiped etcd lacks, and a word for it.
    fn lacked(&self) -> (String, &'static str) {
        match &self.keys {
            LiveKeys::One(key) => (format!("key \"{key}\""), "the key"),
            LiveKeys::Prefix(prefix) => {
                (format!("{} with prefix \"{prefix}\"", self.nouns.one), "one")
            }
        }
    }

    fn line(&self, text: &str) -> String {
        format!("etcd: {}: {text}", self.named())
    }
}

/// The values of `directive` do not fit into the shared memory zone `name` at all.
#[must_use]
pub fn zone_too_small(name: &str, directive: &str) -> String {
    format!("zone \"{name}\" is too small: increase \"zone\" of the \"{directive}\" directive")
}

#[cfg(test)]
mod tests {
    use super::{LiveKeys, Messages, Nouns, zone_too_small};

    #[test]
    fn messages_are_worded_so() {
        let value = Messages {
            names: vec!["$one".to_owned(), "$two".to_owned()],
            keys: LiveKeys::One("/a".to_owned()),
            nouns: Nouns {
                subject: "variable",
                values: "values",
                kept: "the current value is kept",
                removed: "the current value is removed",
                one: "",
                last_valid: "the last valid value is kept",
            },
        };
        let networks = Messages {
            names: vec!["$inside".to_owned()],
            keys: LiveKeys::Prefix("/n/".to_owned()),
            nouns: Nouns {
                subject: "variable",
                values: "networks",
                kept: "current networks are kept",
                removed: "current networks are removed",
                one: "network",
                last_valid: "the key's last valid networks are kept, if any",
            },
        };
        let (older, other) =
            ("etcd was wiped or restored from a backup", "etcd was replaced by another cluster");
        for (message, expected) in [
            (value.watched(), "key \"/a\""),
            (networks.watched(), "prefix \"/n/\""),
            (
                value.changed("set (2 bytes)", 7),
                "etcd: variable \"$one\", \"$two\": set (2 bytes), revision 7",
            ),
            (
                value.held(older, 60),
                "etcd: variable \"$one\", \"$two\": etcd was wiped or restored from a backup and \
                 has no key \"/a\"; the current value is kept until the key appears, for 60 s at \
                 most",
            ),
            (
                value.hold_ended(older, 60),
                "etcd: variable \"$one\", \"$two\": etcd was wiped or restored from a backup and \
                 has had no key \"/a\" for 60 s: the current value is removed",
            ),
            (
                networks.held(other, 60),
                "etcd: variable \"$inside\": etcd was replaced by another cluster and has no \
                 network with prefix \"/n/\"; current networks are kept until one appears, for 60 \
                 s at most",
            ),
            (
                networks.hold_ended(other, 60),
                "etcd: variable \"$inside\": etcd was replaced by another cluster and has had no \
                 network with prefix \"/n/\" for 60 s: current networks are removed",
            ),
            (value.rejection("", "the value is not UTF-8"), "the value is not UTF-8"),
            (
                value.rejected("", "the value is not UTF-8"),
                "etcd: variable \"$one\", \"$two\": key \"/a\" rejected: the value is not UTF-8; \
                 the last valid value is kept",
            ),
            (networks.rejection("b", "no network"), "key \"/n/b\" rejected: no network"),
            (
                networks.rejected("b", "no network"),
                "etcd: variable \"$inside\": key \"/n/b\" rejected: no network; the key's last \
                 valid networks are kept, if any",
            ),
            (networks.more_rejected(9), "etcd: variable \"$inside\": 9 more keys rejected"),
            (
                zone_too_small("etcd:etcd_geo:main:/n/", "etcd_geo"),
                "zone \"etcd:etcd_geo:main:/n/\" is too small: increase \"zone\" of the \
                 \"etcd_geo\" directive",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }
}
