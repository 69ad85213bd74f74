//! Keys of an `etcd_map` that differ in case alone: names are compared without regard to case, and
//! so the first of such keys, in the order of their bytes, counts.

use std::collections::{BTreeMap, BTreeSet};

/// The keys with a capital letter, and those beside them. Most maps have none.
#[derive(Debug, Default)]
pub(crate) struct Spellings(BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>);

/// What a key is among those that differ in case alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It counts. Until now the other key did, if there is one.
    First(Option<Vec<u8>>),
    /// This one counts.
    Behind(Vec<u8>),
}

/// What a key was whose time is over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Former {
    /// There was no other one.
    Alone,
    /// It counted; another one does from now on.
    First,
    /// Another one counts.
    Behind,
}

impl Spellings {
    /// A key is there; `lower` is the same in lower case. `has_value` says whether a key of this
    /// name is in hand.
    pub(crate) fn add(&mut self, key: &[u8], lower: &[u8], has_value: bool) -> Standing {
        if key == lower && !self.0.contains_key(lower) {
            return Standing::First(None);
        }
        let keys = self.0.entry(lower.to_vec()).or_default();
        if keys.is_empty() && has_value {
            // Of those that nothing is known of, there is only this one.
            keys.insert(lower.to_vec());
        }
        let before = keys.first().cloned();
        keys.insert(key.to_vec());
        match keys.first() {
            Some(first) if first != key => Standing::Behind(first.clone()),
            _ => Standing::First(before.filter(|before| before != key)),
        }
    }

    /// A key is gone.
    pub(crate) fn remove(&mut self, key: &[u8], lower: &[u8]) -> Former {
        let Some(keys) = self.0.get_mut(lower) else {
            return if key == lower { Former::Alone } else { Former::Behind };
        };
        let is_first = keys.first().is_some_and(|first| first == key);
        keys.remove(key);
        let is_alone = keys.is_empty();
        if keys.iter().all(|key| key == lower) {
            self.0.remove(lower);
        }
        match (is_alone, is_first) {
            (true, _) => Former::Alone,
            (false, true) => Former::First,
            (false, false) => Former::Behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Former, Spellings, Standing};

    fn add(spellings: &mut Spellings, key: &str, has_value: bool) -> Standing {
        spellings.add(key.as_bytes(), key.to_lowercase().as_bytes(), has_value)
    }

    fn remove(spellings: &mut Spellings, key: &str) -> Former {
        spellings.remove(key.as_bytes(), key.to_lowercase().as_bytes())
    }

    #[test]
    fn first_of_keys_that_differ_in_case_counts() {
        let mut spellings = Spellings::default();
        assert_eq!(add(&mut spellings, "a.b", false), Standing::First(None));
        assert_eq!(add(&mut spellings, "a.B", true), Standing::First(Some("a.b".into())));
        assert_eq!(add(&mut spellings, "A.b", true), Standing::First(Some("a.B".into())));
        assert_eq!(add(&mut spellings, "a.b", true), Standing::Behind("A.b".into()));
        assert_eq!(add(&mut spellings, "A.b", true), Standing::First(None));
        assert_eq!(remove(&mut spellings, "a.B"), Former::Behind);
        assert_eq!(remove(&mut spellings, "A.b"), Former::First);
        assert!(spellings.0.is_empty(), "what is in lower case needs no memory");
        assert_eq!(remove(&mut spellings, "a.b"), Former::Alone);
    }

    #[test]
    fn key_with_capitals_may_be_the_only_one() {
        let mut spellings = Spellings::default();
        assert_eq!(add(&mut spellings, "A", false), Standing::First(None));
        assert_eq!(add(&mut spellings, "a", true), Standing::Behind("A".into()));
        assert_eq!(remove(&mut spellings, "a"), Former::Behind);
        assert_eq!(remove(&mut spellings, "A"), Former::Alone);
        assert!(spellings.0.is_empty());
    }
}
