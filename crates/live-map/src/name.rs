//! The names of entries.

/// Bytes that a name has at most.
pub const MAX_NAME: usize = 512;

/// What an entry is the value of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Of its name: `example.com`.
    Exact,
    /// Of what ends with a dot and its name: `*.example.com`.
    Head,
    /// Of both: `.example.com`.
    Dot,
    /// Of what begins with its name and a dot: `www.example.*`.
    Tail,
}

/// By which an entry is put and found. The case of ASCII letters does not matter.
#[derive(Clone, Copy, Debug)]
pub struct Name<'n> {
    kind: Kind,
    text: &'n [u8],
}

impl<'n> Name<'n> {
    /// The name of an entry that is found by this text alone; `None` where it is longer than
    /// [`MAX_NAME`]: there is no such entry.
    #[must_use]
    #[inline]
    pub fn exact(text: &'n [u8]) -> Option<Self> {
        Self::new(Kind::Exact, text)
    }

    /// The name of an entry, without asterisk and the dot beside it. `None` as for
    /// [`exact`](Self::exact).
    #[must_use]
    #[inline]
    pub fn new(kind: Kind, text: &'n [u8]) -> Option<Self> {
        (text.len() <= MAX_NAME).then_some(Self { kind, text })
    }

    /// What the entry is the value of.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Without asterisk and the dot beside it, in the case that it was given.
    #[must_use]
    #[inline]
    pub fn text(&self) -> &'n [u8] {
        self.text
    }

    /// As a key of etcd has it: `*.example.com`.
    #[must_use]
    pub fn to_key(&self) -> Vec<u8> {
        let (before, behind) = match self.kind {
            Kind::Exact => ("", ""),
            Kind::Head => ("*.", ""),
            Kind::Dot => (".", ""),
            Kind::Tail => ("", ".*"),
        };
        [before.as_bytes(), self.text, behind.as_bytes()].concat()
    }
}
