//! The order of a group of peers, in memory: made by the publisher, walked by every worker.

use peer_balance::{Stride, cumulative, smooth_sequence, stride};

use crate::layout::PlanHeader;

/// Positions that a sequence may have for each peer of its group; where a cycle is longer (great,
/// unequal weights), the order is computed at each pick from the cumulative weights, which takes 8
/// bytes for each peer. 8 positions of 4 bytes bound a sequence to 32 bytes a peer.
const POSITIONS_PER_PEER: usize = 8;

/// Positions that a sequence may have in any case, so that small groups have nginx's own order at
/// common weights: 4 kB.
const POSITIONS: usize = 1024;

/// The order of a group, before it lies in memory.
pub(crate) enum Plan {
    /// Indexes in the order in which they are picked.
    Sequence(Vec<u32>),
    /// Cumulative weights, and the stride over them.
    Strided(Vec<u64>, Stride),
}

impl Plan {
    /// The order of peers with these weights; those of weight 0 are left out.
    pub(crate) fn new(weights: &[u32]) -> Self {
        let (indexes, in_service): (Vec<u32>, Vec<u32>) = (0..)
            .zip(weights)
            .filter(|&(_, &weight)| weight > 0)
            .map(|(index, &weight)| (index, weight))
            .unzip();
        let longest = POSITIONS.max(POSITIONS_PER_PEER * in_service.len());
        match smooth_sequence(&in_service, longest) {
            Some(mut sequence) => {
                for item in &mut sequence {
                    *item = indexes[*item as usize];
                }
                Self::Sequence(sequence)
            }
            // A weight of 0 has no width, so that no position falls on it.
            None => Self::Strided(cumulative(weights), stride(&in_service)),
        }
    }

    /// The order in the form whose size depends on nothing but the number of peers, for a zone with
    /// little room.
    pub(crate) fn compact(weights: &[u32]) -> Self {
        Self::Strided(cumulative(weights), stride(weights))
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Sequence(sequence) => size_of_val(sequence.as_slice()),
            Self::Strided(cumulative, _) => size_of_val(cumulative.as_slice()),
        }
    }

    /// Its header, where it lies `offset` bytes from the table's start.
    pub(crate) fn header(&self, offset: usize, weights: &[u32]) -> PlanHeader {
        let in_service = weights.iter().filter(|&&weight| weight > 0).count() as u32;
        // A table's size is bounded by its zone's, and was checked by the allocator.
        let offset = offset as u32;
        match self {
            Self::Sequence(sequence) => PlanHeader {
                cycle: sequence.len() as u64,
                stride: 0,
                offset,
                length: sequence.len() as u32,
                in_service,
                reserved: 0,
            },
            Self::Strided(cumulative, stride) => PlanHeader {
                cycle: stride.cycle,
                stride: stride.stride,
                offset,
                length: cumulative.len() as u32,
                in_service,
                reserved: 0,
            },
        }
    }
}
