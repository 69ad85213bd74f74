//! How much of a prefix is taken.

/// How much of a prefix is taken: one given by mistake (`/`, in a busy etcd) must not take the
/// memory of the process that follows it.
///
/// A list of more is refused before it is read, as trouble whose cause is
/// [`TooLarge`](crate::Cause::TooLarge). Where keys come to be beyond that later, they are left out
/// ([`Limited`](crate::Update::Limited)) until there are few enough for a new list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Keys.
    pub keys: usize,
    /// Bytes of a list: its keys, its values, and what it takes to hold them.
    pub bytes: usize,
    /// What to do about more, behind a colon: `increase "zone"`.
    pub remedy: &'static str,
}

/// The most bytes that a list has where its receiver has no limit of its own.
const BYTES: usize = 256 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self { keys: usize::MAX, bytes: BYTES, remedy: "use a prefix with fewer keys" }
    }
}
