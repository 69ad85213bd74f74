//! Which numbers of labels the names of masks have: a host is not looked for by parts of others.

use crate::{
    layout::Layout,
    name::Kind,
    sync::{AtomicU64, Ordering},
};

/// The most labels that are told apart.
const MOST: usize = u64::BITS as usize - 1;

/// How many labels a name has.
fn count(name: &[u8]) -> usize {
    name.iter().filter(|&&byte| byte == b'.').count() + 1
}

/// The bit of so many labels.
#[inline(always)]
fn bit(labels: usize) -> usize {
    labels.min(MOST)
}

/// The numbers as readers have them: a bit for each. There may be more than there are, and never
/// fewer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks(u64);

impl Marks {
    #[inline(always)]
    pub(crate) fn read(from: &AtomicU64) -> Self {
        Self(from.load(Ordering::Relaxed))
    }

    #[inline(always)]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether there may be a name with so many labels.
    #[inline(always)]
    pub(crate) fn has(self, labels: usize) -> bool {
        self.0 >> bit(labels) & 1 != 0
    }
}

/// How many names of masks there are of each number of labels.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    heads: Counts,
    tails: Counts,
}

#[derive(Debug)]
struct Counts([u32; MOST + 1]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; MOST + 1])
    }
}

impl Labels {
    /// An entry is about to come.
    pub(crate) fn add(&mut self, kind: Kind, text: &[u8]) {
        if let Some(count) = self.count_of(kind, text) {
            *count += 1;
        }
    }

    /// An entry has gone.
    pub(crate) fn remove(&mut self, kind: Kind, text: &[u8]) {
        if let Some(count) = self.count_of(kind, text) {
            *count = count.saturating_sub(1);
        }
    }

    fn count_of(&mut self, kind: Kind, text: &[u8]) -> Option<&mut u32> {
        let counts = match kind {
            Kind::Exact => return None,
            Kind::Head | Kind::Dot => &mut self.heads,
            Kind::Tail => &mut self.tails,
        };
        counts.0.get_mut(bit(count(text)))
    }

    /// Marks them for readers: before an entry that has come is there, and after one has gone.
    pub(crate) fn mark(&self, layout: &Layout<'_>) {
        layout.heads().store(self.heads.marks(), Ordering::Relaxed);
        layout.tails().store(self.tails.marks(), Ordering::Relaxed);
    }
}

impl Counts {
    fn marks(&self) -> u64 {
        let counts = self.0.iter().enumerate();
        counts.fold(0, |marks, (at, &count)| marks | u64::from(count > 0) << at)
    }
}
