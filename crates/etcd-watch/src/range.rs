//! The keys that a prefix stands for, as etcd is asked for them.

use std::fmt;

use etcd_client::proto::PbKeyValue;

use crate::trouble::Trouble;
use crate::update::Item;

/// As much of a prefix as is quoted, in characters.
const QUOTED: usize = 100;

/// The range of keys that begin with a prefix, or one key.
#[derive(Debug)]
pub(crate) struct Range {
    prefix: Vec<u8>,
    /// The first key.
    pub(crate) start: Vec<u8>,
    /// The first key behind it.
    pub(crate) end: Vec<u8>,
    /// What is left out of it.
    gap: Option<Part>,
}

/// Keys from `start` on, up to and without `end`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl Range {
    /// The range of the keys below a prefix. A key that is the prefix itself is not among them:
    /// other programs write one as the mark of a directory, with a value of their own.
    pub(crate) fn new(prefix: &[u8]) -> Self {
        // The key that comes next after the prefix, and for all keys the first one that etcd can
        // have.
        let start = [prefix, &[0]].concat();
        Self { prefix: prefix.to_vec(), start, end: end_of(prefix), gap: None }
    }

    /// The range of all keys that begin with a prefix, the prefix itself among them.
    pub(crate) fn beginning(prefix: &[u8]) -> Self {
        Self { start: prefix.to_vec(), ..Self::new(prefix) }
    }

    /// The range of one key alone; what is [`below`](Self::below) it is "".
    pub(crate) fn of_key(key: &[u8]) -> Self {
        let end = [key, &[0]].concat();
        Self { prefix: key.to_vec(), start: key.to_vec(), end, gap: None }
    }

    /// The same but for the keys that begin with another prefix.
    pub(crate) fn without(self, prefix: &[u8]) -> Self {
        Self { gap: Some(Part { start: prefix.to_vec(), end: end_of(prefix) }), ..self }
    }

    /// Whether a key of the range is one of those that are left out.
    pub(crate) fn leaves_out(&self, key: &[u8]) -> bool {
        self.gap.as_ref().is_some_and(|gap| key >= &gap.start[..] && key < &gap.end[..])
    }

    /// What it is made of, in the order of the keys.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let part = |start: &[u8], end: &[u8]| Part { start: start.to_vec(), end: end.to_vec() };
        match &self.gap {
            Some(gap) => vec![part(&self.start, &gap.start), part(&gap.end, &self.end)],
            None => vec![part(&self.start, &self.end)],
        }
    }

    /// The key without the prefix.
    pub(crate) fn below(&self, mut key: Vec<u8>) -> Result<Vec<u8>, Trouble> {
        if !key.starts_with(&self.prefix) {
            return Err(Trouble::nonsense("etcd sent a key outside the prefix"));
        }
        key.drain(..self.prefix.len());
        Ok(key)
    }

    /// The key and its value.
    pub(crate) fn item(&self, pair: PbKeyValue) -> Result<Item, Trouble> {
        Ok(Item {
            key: self.below(pair.key)?,
            value: pair.value,
            create_revision: pair.create_revision,
            mod_revision: pair.mod_revision,
            lease: pair.lease,
        })
    }
}

/// The first key that comes behind all that begin with a prefix.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    // "\0" as an end means the end of all keys.
    let mut end = prefix.to_vec();
    while end.pop_if(|byte| *byte == u8::MAX).is_some() {}
    match end.last_mut() {
        Some(byte) => *byte += 1,
        None => end.push(0),
    }
    end
}

impl fmt::Display for Range {
    /// As a part of a sentence.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix: String = String::from_utf8_lossy(&self.prefix).chars().take(QUOTED).collect();
        // Not the text itself, which may have control characters in it.
        if self.end.strip_suffix(&[0]) == Some(&self.start) {
            write!(formatter, "the key {prefix:?}")
        } else {
            write!(formatter, "{prefix:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn a_range_ends_behind_its_prefix() {
        let range = Range::new(b"/a/");
        assert_eq!(
            (range.start.as_slice(), range.end.as_slice()),
            (b"/a/\0".as_slice(), b"/a0".as_slice())
        );
        let range = Range::new(b"");
        assert_eq!((range.start, range.end), (vec![0], vec![0]));
        assert_eq!(Range::new(&[b'a', 0xff, 0xff]).end, b"b");
        assert_eq!(Range::new(&[0xff]).end, [0]);
        let range = Range::of_key(b"/a");
        assert_eq!(
            (range.start.as_slice(), range.end.as_slice()),
            (b"/a".as_slice(), b"/a\0".as_slice())
        );
        assert_eq!(range.below(b"/a".to_vec()).ok(), Some(vec![]));
        assert!(Range::new(b"/a/").below(b"/b/x".to_vec()).is_err());
        let parts = Range::new(b"/a/").without(b"/a/b/").parts();
        let parts: Vec<_> = parts.iter().map(|part| (&part.start[..], &part.end[..])).collect();
        assert_eq!(parts, [(&b"/a/\0"[..], &b"/a/b/"[..]), (b"/a/b0", b"/a0")]);
        let range = Range::new(b"/a/").without(b"/a/b/");
        assert!(range.leaves_out(b"/a/b/") && range.leaves_out(b"/a/b/c"));
        assert!(!range.leaves_out(b"/a/b") && !range.leaves_out(b"/a/b0"));
        assert_eq!(Range::new(b"/a\n/").to_string(), "\"/a\\n/\"");
        assert_eq!(Range::of_key(b"/a").to_string(), "the key \"/a\"");
    }
}
