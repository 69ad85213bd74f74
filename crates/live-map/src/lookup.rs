//! Where the entries are that a name or a host leads to.

use text_words::{Text, word_count};

use crate::{
    bits::{Head, Link, Title},
    entry::{Body, Cell},
    hash::Seed,
    labels::Marks,
    layout::Layout,
    name::{Kind, MAX_NAME},
    sync::AtomicU64,
    text::{Dots, SHORT},
};

/// Entries that are looked at in a chain: no writer makes a longer one, but words that are no map
/// may lead in a circle. Chains of a full map have one entry on average; one of 64 comes about once
/// in 10^89, as Poisson has it.
pub(crate) const MAX_CHAIN: usize = 64;

/// A name that is looked for, in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needle<'n> {
    text: Text<'n>,
    pub(crate) hash: u64,
}

impl<'n> Needle<'n> {
    #[inline(always)]
    pub(crate) fn new(text: &'n [u8], seed: Seed) -> Self {
        let text = Text::new(text);
        Self { text, hash: seed.hash(text) }
    }

    /// How many words there are before the value.
    #[inline(always)]
    pub(crate) fn word_count(self) -> usize {
        word_count(self.text.bytes.len())
    }
}

/// An entry in a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// What leads to it.
    pub(crate) link: &'a AtomicU64,
    /// Its first cell.
    pub(crate) index: usize,
    pub(crate) body: Body<'a>,
    /// As it was read once.
    pub(crate) head: Head,
}

/// The entries of a chain, in order, with the links to them.
#[inline(always)]
pub(crate) fn chain<'a>(
    cells: &'a [Cell],
    bucket: &'a AtomicU64,
) -> impl Iterator<Item = (Link, Place<'a>)> {
    let mut link = bucket;
    (0..MAX_CHAIN).map_while(move |_| {
        let to = Link::read(link);
        let index = to.cell();
        let cell = cells.get(index)?;
        let body = Body { cells, cell };
        let place = Place { link, index, body, head: body.head() };
        link = &cell[0];
        Some((to, place))
    })
}

impl<'a> Layout<'a> {
    /// The entry of a name that is of the first kind, or else of the second.
    #[inline(always)]
    pub(crate) fn find(
        &self,
        needle: Needle<'_>,
        first: Kind,
        second: Option<Kind>,
    ) -> Option<Place<'a>> {
        let title = |kind| Title::new(kind, needle.text.bytes.len());
        let (first, second) = (title(first), second.map(title));
        let mut found = None;
        for (link, place) in chain(self.cells, self.bucket(needle.hash)?) {
            if !link.is_of(needle.hash) {
                continue;
            }
            let title = place.head.title();
            if title == first {
                if place.body.has_name(needle.text) {
                    return Some(place);
                }
            } else if Some(title) == second && place.body.has_name(needle.text) {
                found = Some(place);
            }
        }
        found
    }

    /// The entry for a host: that of its name, else of the longest `*.example.com` or
    /// `.example.com` that it ends with, else of the longest `www.example.*` that it begins with,
    /// as nginx's `ngx_hash_find_combined` has it.
    ///
    /// Returns also whether it is that of the name alone.
    #[inline(always)]
    pub(crate) fn find_host(&self, host: &[u8], seed: Seed) -> (Option<Place<'a>>, bool) {
        if host.len() > MAX_NAME {
            return (self.find_long_mask(host, seed), false);
        }
        let needle = Needle::new(host, seed);
        match self.find(needle, Kind::Exact, None) {
            Some(place) => (Some(place), true),
            None => (self.find_mask(host, needle.hash, seed), false),
        }
    }

    /// The entry of a mask of a host, which has no more bytes than a name, and this hash.
    #[inline(never)]
    fn find_mask(&self, host: &[u8], hash: u64, seed: Seed) -> Option<Place<'a>> {
        let (heads, tails) = self.marks();
        if heads.is_empty() && tails.is_empty() {
            return None;
        }
        let text = Text::new(host);
        if host.len() > SHORT {
            let found = self.find(Needle { text, hash }, Kind::Dot, None);
            return found.or_else(|| self.find_long_mask(host, seed));
        }
        let dots = Dots::of(text);
        let count = dots.fold(0, |count, _| count + 1);
        if heads.has(count + 1) {
            let found = self.find(Needle { text, hash }, Kind::Dot, None);
            if found.is_some() {
                return found;
            }
        }
        self.find_part(host, seed, dots, count)
    }

    /// The entry of a mask of a part of a host.
    #[cold]
    #[inline(never)]
    fn find_long_mask(&self, host: &[u8], seed: Seed) -> Option<Place<'a>> {
        let (heads, tails) = self.marks();
        if heads.is_empty() && tails.is_empty() {
            return None;
        }
        let dots = (0..host.len()).filter(|&at| host.get(at) == Some(&b'.'));
        let count = dots.clone().count();
        self.find_part(host, seed, dots, count)
    }

    /// The same, of a host with so many dots at these places.
    #[inline(always)]
    fn find_part(
        &self,
        host: &[u8],
        seed: Seed,
        dots: impl Clone + DoubleEndedIterator<Item = usize>,
        count: usize,
    ) -> Option<Place<'a>> {
        let (heads, tails) = self.marks();
        // Behind a dot there are as many labels as dots from there on, before it as many as dots up
        // to there.
        let mut labels = count;
        for dot in dots.clone() {
            if heads.has(labels)
                && let Some(end) = host.get(dot + 1..)
                && end.len() <= MAX_NAME
            {
                let found = self.find(Needle::new(end, seed), Kind::Head, Some(Kind::Dot));
                if found.is_some() {
                    return found;
                }
            }
            labels -= 1;
        }
        if tails.is_empty() { None } else { self.find_tail(host, seed, dots, count) }
    }

    #[inline(never)]
    fn find_tail(
        &self,
        host: &[u8],
        seed: Seed,
        dots: impl DoubleEndedIterator<Item = usize>,
        mut labels: usize,
    ) -> Option<Place<'a>> {
        let (_, tails) = self.marks();
        for dot in dots.rev() {
            if tails.has(labels)
                && let Some(start) = host.get(..dot)
                && start.len() <= MAX_NAME
            {
                let found = self.find(Needle::new(start, seed), Kind::Tail, None);
                if found.is_some() {
                    return found;
                }
            }
            labels -= 1;
        }
        None
    }

    #[inline(always)]
    fn marks(&self) -> (Marks, Marks) {
        (Marks::read(self.heads()), Marks::read(self.tails()))
    }
}
