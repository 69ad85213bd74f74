//! What the log says of live variables.

/// How messages call what a kind of variables is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nouns {
    /// What stays while etcd has nothing, or cannot be followed: `the networks in hand stay`.
    pub in_hand: &'static str,
    /// A valid value of a key below a prefix: `a network`.
    pub one: &'static str,
    /// What stays of a key whose value is rejected: `the last good value stays`.
    pub last_good: &'static str,
}

/// The keys that are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowedKeys {
    /// One key.
    One(String),
    /// All that begin with this.
    Prefix(String),
}

/// The messages about variables that are made of the same keys. All are one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// The names of the variables, each with its dollar sign.
    pub names: Vec<String>,
    /// What they are made of.
    pub keys: FollowedKeys,
    /// How that is called.
    pub nouns: Nouns,
}

impl Messages {
    /// The keys that are followed: `the prefix "/a/"`.
    #[must_use]
    pub fn followed(&self) -> String {
        match &self.keys {
            FollowedKeys::One(key) => format!("the key \"{key}\""),
            FollowedKeys::Prefix(prefix) => format!("the prefix \"{prefix}\""),
        }
    }

    /// The values have changed; `summary` is what they are now.
    #[must_use]
    pub fn changed(&self, summary: &str, revision: u64) -> String {
        self.line(&format!("{summary}, revision {revision}"))
    }

    /// The values outlive a wiped etcd for `seconds` at most. `etcd` is what it is now: `another
    /// cluster`.
    #[must_use]
    pub fn held(&self, etcd: &str, seconds: u64) -> String {
        let in_hand = self.nouns.in_hand;
        let (lacks, it) = self.lacks();
        self.line(&format!(
            "etcd is {etcd} than before, without {lacks}; {in_hand} until it has {it}, at most for \
             {seconds} s"
        ))
    }

    /// The time is over for which they outlive a wiped etcd.
    #[must_use]
    pub fn hold_ended(&self, etcd: &str, seconds: u64) -> String {
        let (lacks, _) = self.lacks();
        self.line(&format!(
            "etcd is {etcd} than before, and has been without {lacks} for {seconds} s: what was in \
             hand is dropped"
        ))
    }

    /// Why a value is rejected, as the status shows it: a key below a prefix is named.
    #[must_use]
    pub fn rejection(&self, key: &str, reason: &str) -> String {
        match &self.keys {
            FollowedKeys::One(_) => reason.to_owned(),
            FollowedKeys::Prefix(prefix) => format!("key \"{prefix}{key}\" rejected: {reason}"),
        }
    }

    /// A value is rejected.
    #[must_use]
    pub fn rejected(&self, key: &str, reason: &str) -> String {
        let (FollowedKeys::One(start) | FollowedKeys::Prefix(start)) = &self.keys;
        let last_good = self.nouns.last_good;
        self.line(&format!("key \"{start}{key}\" rejected: {reason}; {last_good}"))
    }

    /// So many more values are rejected, without a line each.
    #[must_use]
    pub fn more_rejected(&self, count: usize) -> String {
        self.line(&format!("{count} more keys rejected"))
    }

    /// What a wiped etcd lacks, and a pronoun for it.
    fn lacks(&self) -> (String, &'static str) {
        match &self.keys {
            FollowedKeys::One(key) => (format!("the key \"{key}\""), "it"),
            FollowedKeys::Prefix(prefix) => {
                (format!("{} below \"{prefix}\"", self.nouns.one), "one")
            }
        }
    }

    fn line(&self, text: &str) -> String {
        format!("etcd: variable \"{}\": {text}", self.names.join("\", \""))
    }
}

#[cfg(test)]
mod tests {
    use super::{FollowedKeys, Messages, Nouns};

    #[test]
    fn messages() {
        let value = Messages {
            names: vec!["$one".to_owned(), "$two".to_owned()],
            keys: FollowedKeys::One("/a".to_owned()),
            nouns: Nouns {
                in_hand: "the value in hand stays",
                one: "",
                last_good: "the last good value stays",
            },
        };
        let networks = Messages {
            names: vec!["$inside".to_owned()],
            keys: FollowedKeys::Prefix("/n/".to_owned()),
            nouns: Nouns {
                in_hand: "the networks in hand stay",
                one: "a network",
                last_good: "its last good networks stay",
            },
        };
        for (message, expected) in [
            (value.followed(), "the key \"/a\""),
            (networks.followed(), "the prefix \"/n/\""),
            (
                value.changed("set (2 bytes)", 7),
                "etcd: variable \"$one\", \"$two\": set (2 bytes), revision 7",
            ),
            (
                value.held("an older state", 60),
                "etcd: variable \"$one\", \"$two\": etcd is an older state than before, without \
                 the key \"/a\"; the value in hand stays until it has it, at most for 60 s",
            ),
            (
                networks.held("another cluster", 60),
                "etcd: variable \"$inside\": etcd is another cluster than before, without a \
                 network below \"/n/\"; the networks in hand stay until it has one, at most for \
                 60 s",
            ),
            (
                networks.hold_ended("another cluster", 60),
                "etcd: variable \"$inside\": etcd is another cluster than before, and has been \
                 without a network below \"/n/\" for 60 s: what was in hand is dropped",
            ),
            (value.rejection("", "the value is not UTF-8"), "the value is not UTF-8"),
            (
                value.rejected("", "the value is not UTF-8"),
                "etcd: variable \"$one\", \"$two\": key \"/a\" rejected: the value is not UTF-8; \
                 the last good value stays",
            ),
            (networks.rejection("b", "no network"), "key \"/n/b\" rejected: no network"),
            (
                networks.rejected("b", "no network"),
                "etcd: variable \"$inside\": key \"/n/b\" rejected: no network; its last good \
                 networks stay",
            ),
            (networks.more_rejected(9), "etcd: variable \"$inside\": 9 more keys rejected"),
        ] {
            assert_eq!(message, expected);
        }
    }
}
