//! A ring as requests see it.

use crate::{
    base::{Base, Cursor},
    delta::Delta,
    error::Malformed,
};

/// A base and its delta: the ring of the servers that are there now.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    base: Base<'a>,
    delta: Delta<'a>,
}

impl<'a> View<'a> {
    /// Puts them together, in constant time.
    ///
    /// # Errors
    ///
    /// If the delta says what has changed since another base.
    #[inline]
    pub fn new(base: Base<'a>, delta: Delta<'a>) -> Result<Self, Malformed> {
        if base.id != delta.base || delta.live_in_base as usize > base.points() {
            return Err(Malformed);
        }
        Ok(Self { base, delta })
    }

    /// Whether it has no points.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.delta.live_in_base == 0 && self.delta.points() == 0
    }

    /// How many points it has; points with the same hash count each.
    pub fn points(&self) -> usize {
        self.delta.live_in_base as usize + self.delta.points()
    }

    /// The slot of the server that nginx chooses for a key with this hash; `None` if the ring is
    /// empty. See [`View::walk`].
    #[inline]
    pub fn find(&self, hash: u32, precedes: impl Fn(u32, u32) -> bool) -> Option<u32> {
        self.find_sole(hash).or_else(|| self.find_any(hash, precedes))
    }

    /// As [`View::find`], whatever the ring is like.
    ///
    /// Apart, so that [`find_sole`](Self::find_sole) has what it reads of the ring in registers.
    #[inline(never)]
    fn find_any(&self, hash: u32, precedes: impl Fn(u32, u32) -> bool) -> Option<u32> {
        self.walk(hash, precedes).next()
    }

    /// As [`View::find`], if all points are in the base or all are in the delta, as they are after
    /// the first list and after a merge, and if one server only has the point: nearly always then.
    #[inline(always)]
    fn find_sole(&self, hash: u32) -> Option<u32> {
        if self.delta.live_in_base == 0 {
            self.delta.find_sole(hash)
        } else if self.delta.is_empty() {
            self.base.find_sole(hash)
        } else {
            None
        }
    }

    /// The slots of the servers to which the points from this hash on belong, round and round. The
    /// iterator is endless, unless the ring is empty.
    ///
    /// It has one item for each hash that points have: if several servers have a point there, it is
    /// that of the first of them. `precedes(one, other)` says whether the server in slot `one`
    /// comes before that in slot `other` in the upstream; it is called only for servers with a
    /// point in common. The same server follows itself if it has two points in a row, as in nginx.
    #[inline]
    pub fn walk<P: Fn(u32, u32) -> bool>(&self, hash: u32, precedes: P) -> Walk<'a, P> {
        Walk {
            view: *self,
            precedes,
            in_base: self.base.seek(hash),
            base_lap: 0,
            in_delta: self.delta.seek(hash),
            delta_lap: 0,
        }
    }
}

/// The iterator of [`View::walk`].
#[derive(Clone, Debug)]
pub struct Walk<'a, P> {
    view: View<'a>,
    precedes: P,
    in_base: Cursor,
    /// How often the end of the base was passed.
    base_lap: u32,
    in_delta: usize,
    /// How often the end of the delta was passed.
    delta_lap: u32,
}

/// A hash, with the lap above it: what comes first on the walk is less.
type Position = u64;

fn position(lap: u32, hash: u32) -> Position {
    u64::from(lap) << 32 | u64::from(hash)
}

impl<P> Walk<'_, P> {
    /// The next point of the base whose server was not removed.
    #[inline]
    fn base_point(&mut self) -> Option<(Position, u32)> {
        let Self { view: View { base, delta }, .. } = *self;
        if delta.live_in_base == 0 {
            return None;
        }
        // One lap finds the point, even from the middle; no more are walked whatever memory says.
        for _ in 0..=2 * base.points() {
            match base.point(&mut self.in_base) {
                Some((_, slot)) if delta.is_removed(slot) => self.in_base.index += 1,
                Some((hash, slot)) => return Some((position(self.base_lap, hash), slot)),
                None => (self.in_base, self.base_lap) = (Cursor::default(), self.base_lap + 1),
            }
        }
        None
    }

    /// The next point of the delta.
    #[inline]
    fn delta_point(&mut self) -> Option<(Position, u32)> {
        let delta = self.view.delta;
        if self.in_delta >= delta.points() {
            (self.in_delta, self.delta_lap) = (0, self.delta_lap + 1);
        }
        let (hash, slot) = delta.point(self.in_delta)?;
        Some((position(self.delta_lap, hash), slot))
    }
}

impl<P: Fn(u32, u32) -> bool> Iterator for Walk<'_, P> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let (mut of_base, mut of_delta) = (self.base_point(), self.delta_point());
        let at = match (of_base, of_delta) {
            (Some((base, _)), Some((delta, _))) => base.min(delta),
            (Some((at, _)), None) | (None, Some((at, _))) => at,
            (None, None) => return None,
        };
        let mut first: Option<u32> = None;
        loop {
            let slot = match (of_base, of_delta) {
                (Some((base, slot)), _) if base == at => {
                    self.in_base.index += 1;
                    // Points of equal hashes are in one bucket, and most buckets have one point.
                    let is_over = self.view.base.is_bucket_over(self.in_base);
                    of_base = if is_over { None } else { self.base_point() };
                    slot
                }
                (_, Some((delta, slot))) if delta == at => {
                    self.in_delta += 1;
                    of_delta = self.delta_point();
                    slot
                }
                _ => return first,
            };
            if first.is_none_or(|first| slot != first && (self.precedes)(slot, first)) {
                first = Some(slot);
            }
        }
    }
}
