//! The map as its readers have it.

use std::{
    fmt::{self, Debug, Formatter},
    ops::Range,
};

use live_value::{Tag, TornRead};

use text_words::word_count;

use crate::{
    entry::{Body, CELL},
    hash::Seed,
    layout::Layout,
    lookup::{Needle, Place, chain},
    name::{Kind, Name},
    room::capacity,
    sync::{AtomicU64, Ordering},
};

/// How often a reader begins again. Each time somebody has written to memory that an entry had
/// while a reader looked at some of them.
const TRIES: usize = 100;

/// An entry as it was read. What is printed of it is without its value, which may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is the value of.
    pub kind: Kind,
    /// The text of its name, in lower case: see [`Name::text`].
    pub text: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

impl Debug for Entry {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.text);
        write!(formatter, "{:?} {text:?}, {} bytes", self.kind, self.value.len())
    }
}

impl Entry {
    /// By which it is put and found.
    #[must_use]
    pub fn name(&self) -> Option<Name<'_>> {
        Name::new(self.kind, &self.text)
    }
}

/// A value where it lies. While it is looked at it may become any.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    body: Body<'a>,
    /// Bytes.
    length: usize,
    /// Words of the name.
    before: usize,
}

impl<'a> Found<'a> {
    #[inline(always)]
    fn new(place: Place<'a>, before: usize) -> Self {
        Self { body: place.body, length: place.head.value(), before }
    }

    /// How many bytes it has: never more than [`MAX_VALUE`](crate::MAX_VALUE).
    #[must_use]
    #[inline(always)]
    #[expect(clippy::len_without_is_empty, reason = "it is there to make room")]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Copies it to the beginning of `into`; what there is no room for is left out.
    #[inline(always)]
    pub fn copy_to(&self, into: &mut [u8]) {
        let length = self.len().min(into.len());
        self.body.copy_to(self.before, &mut into[..length]);
    }

    /// Its words, of eight bytes each with the first byte lowest, if they lie beside each other: of
    /// a value of usual length. The last word has fewer bytes than the others, perhaps none.
    #[must_use]
    #[inline(always)]
    pub fn words(&self) -> Option<&'a [AtomicU64]> {
        self.body.near(self.before, word_count(self.length))
    }

    /// A copy of it.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.body.bytes(self.before, self.len()).unwrap_or_default()
    }
}

/// What was published last.
#[derive(Clone, Copy, Debug, Default)]
struct Published {
    tag: Tag,
    entries: usize,
    cells: usize,
}

/// A map in words that processes share.
///
/// Readers wait for nobody, and see an entry as it was at some moment of their call: whole, and
/// never one that was replaced before.
#[derive(Clone, Copy, Debug)]
pub struct SharedMap<'a> {
    /// `None` where there is not even room for one entry.
    layout: Option<Layout<'a>>,
}

impl<'a> SharedMap<'a> {
    /// The map in these words; see [`MapWriter`](crate::MapWriter) for how entries get there.
    /// Zeroes are an empty map.
    #[inline]
    pub fn new(words: &'a [AtomicU64]) -> Self {
        Self { layout: Layout::new(words) }
    }

    /// How often something was published; 0: nothing was ever.
    pub fn generation(&self) -> u64 {
        self.readable().map_or(0, |(layout, _)| layout.published().generation())
    }

    /// What was published last; [`Tag::default`] where nothing was, or nothing can be read for all
    /// that is published.
    pub fn tag(&self) -> Tag {
        self.published().tag
    }

    /// How many entries there were when something was published last.
    pub fn len(&self) -> usize {
        self.published().entries
    }

    /// Whether there was no entry when something was published last.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the entries took when something was published last.
    pub fn bytes_used(&self) -> usize {
        self.published().cells.saturating_mul(CELL)
    }

    /// Bytes that entries can take.
    pub fn bytes_total(&self) -> usize {
        self.layout.map_or(0, |layout| capacity(layout.cells.len()) * CELL)
    }

    /// Looks an entry up by its own name. `copy` may be called several times: only its last result
    /// counts.
    ///
    /// # Errors
    ///
    /// Where memory was reused faster than it can be read, a hundred times in a row.
    #[inline]
    pub fn get<T>(
        &self,
        name: &Name<'_>,
        mut copy: impl FnMut(Found<'_>) -> T,
    ) -> Result<Option<T>, TornRead> {
        let Some((layout, seed)) = self.readable() else { return Ok(None) };
        let needle = Needle::new(name.text(), seed);
        let reused = layout.reused();
        let result = layout
            .find(needle, name.kind(), None)
            .map(|place| copy(Found::new(place, needle.word_count())));
        if layout.is_whole(reused) {
            return Ok(result);
        }
        get_again(layout, seed, name.text(), name.kind(), copy)
    }

    /// Looks up the value for a host, as nginx's `map` with `hostnames` does: that of its name,
    /// else of the longest `*.example.com` or `.example.com`, else of the longest `www.example.*`.
    /// One dot at the host's end is no part of it. `copy` may be called several times: only its
    /// last result counts.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), and where entries come and go as fast.
    #[inline]
    pub fn get_host<T>(
        &self,
        host: &[u8],
        mut copy: impl FnMut(Found<'_>) -> T,
    ) -> Result<Option<T>, TornRead> {
        let Some((layout, seed)) = self.readable() else { return Ok(None) };
        let host = if let [before @ .., b'.'] = host { before } else { host };
        match get_host_once(layout, seed, host, &mut copy) {
            Some(result) => Ok(result),
            None => get_host_again(layout, seed, host, copy),
        }
    }

    /// All entries, in no order, each as it was at some moment of the call.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn entries(&self) -> Result<Vec<Entry>, TornRead> {
        self.entries_of(0..self.chains())
    }

    /// Over how many chains entries are spread: an entry stays in its own. 0 before there is a map.
    pub fn chains(&self) -> usize {
        self.readable().map_or(0, |(layout, _)| layout.buckets.len())
    }

    /// As [`entries`](Self::entries), of these chains alone.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn entries_of(&self, chains: Range<usize>) -> Result<Vec<Entry>, TornRead> {
        let Some((layout, _)) = self.readable() else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for bucket in layout.buckets.get(chains).unwrap_or_default() {
            all.extend(read_chain(layout, bucket)?);
        }
        Ok(all)
    }

    /// The map's memory, and the seed of its hashes, once somebody has made a map there.
    #[inline]
    fn readable(&self) -> Option<(&Layout<'a>, Seed)> {
        let layout = self.layout.as_ref()?;
        Some((layout, layout.seed()?))
    }

    fn published(&self) -> Published {
        let Some((layout, _)) = self.readable() else { return Published::default() };
        let figures = |words: &[AtomicU64]| {
            let figure =
                |at| words.get(at).map_or(0, |word: &AtomicU64| word.load(Ordering::Relaxed));
            [figure(0), figure(1)].map(|figure| usize::try_from(figure).unwrap_or(usize::MAX))
        };
        let Ok(found) = layout.published().read(figures) else { return Published::default() };
        let [entries, cells] = found.value.unwrap_or_default();
        Published { tag: found.tag, entries, cells }
    }
}

#[cold]
#[inline(never)]
fn get_again<T>(
    layout: &Layout<'_>,
    seed: Seed,
    text: &[u8],
    kind: Kind,
    mut copy: impl FnMut(Found<'_>) -> T,
) -> Result<Option<T>, TornRead> {
    let needle = Needle::new(text, seed);
    for _ in 1..TRIES {
        let reused = layout.reused();
        let result = layout
            .find(needle, kind, None)
            .map(|place| copy(Found::new(place, needle.word_count())));
        if layout.is_whole(reused) {
            return Ok(result);
        }
    }
    Err(TornRead)
}

/// `None`: the map has changed too much.
#[inline(always)]
fn get_host_once<T>(
    layout: &Layout<'_>,
    seed: Seed,
    host: &[u8],
    copy: &mut impl FnMut(Found<'_>) -> T,
) -> Option<Option<T>> {
    let (changed, reused) = (layout.changed(), layout.reused());
    let (place, is_exact) = layout.find_host(host, seed);
    let result = place.map(|place| copy(Found::new(place, word_count(place.head.name()))));
    // The host's own entry counts, whatever else there is. Otherwise one that comes before another
    // one goes might be missed, and then the other one.
    (layout.is_whole(reused) && (is_exact || layout.is_unchanged(changed))).then_some(result)
}

#[cold]
#[inline(never)]
fn get_host_again<T>(
    layout: &Layout<'_>,
    seed: Seed,
    host: &[u8],
    mut copy: impl FnMut(Found<'_>) -> T,
) -> Result<Option<T>, TornRead> {
    let mut tries = 1..TRIES;
    tries.find_map(|_| get_host_once(layout, seed, host, &mut copy)).ok_or(TornRead)
}

/// The entries of a chain.
pub(crate) fn read_chain(layout: &Layout<'_>, bucket: &AtomicU64) -> Result<Vec<Entry>, TornRead> {
    for _ in 0..TRIES {
        let reused = layout.reused();
        let entries = chain(layout.cells, bucket).filter_map(|(_, Place { body, head, .. })| {
            Some(Entry { kind: head.kind(), text: body.name()?, value: body.value()? })
        });
        let entries = entries.collect();
        if layout.is_whole(reused) {
            return Ok(entries);
        }
    }
    Err(TornRead)
}
