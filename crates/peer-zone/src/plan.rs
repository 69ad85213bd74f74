//! The order of a group of peers, in memory: made by the publisher, walked by every worker.

use peer_balance::{Stride, smooth_sequence, stride};

use crate::layout::PlanHeader;

/// Positions that a sequence may have: 4 kB. Small groups have nginx's own order at common weights;
/// where a cycle is longer, the order is computed at each pick from the cumulative weights.
const POSITIONS: usize = 1024;

/// The order of a group, before it lies in memory.
pub(crate) enum Plan {
    /// One after the other, so many: all have the same weight.
    InTurn(usize),
    /// Indexes in the order in which they are picked.
    Sequence(Vec<u32>),
    /// The weights, of which the cumulative ones lie in memory, and the stride over these.
    Strided(Vec<u32>, Stride),
}

impl Plan {
    /// The order of peers with these weights; those of weight 0 are left out.
    pub(crate) fn new(weights: Vec<u32>) -> Self {
        // A cycle has at least a position for each.
        if weights.iter().filter(|&&weight| weight > 0).count() > POSITIONS {
            return Self::compact(weights);
        }
        let (indexes, in_service): (Vec<u32>, Vec<u32>) = (0..)
            .zip(&weights)
            .filter(|&(_, &weight)| weight > 0)
            .map(|(index, &weight)| (index, weight))
            .unzip();
        match smooth_sequence(&in_service, POSITIONS) {
            Some(mut sequence) => {
                for item in &mut sequence {
                    *item = indexes[*item as usize];
                }
                Self::Sequence(sequence)
            }
            // A weight of 0 has no width, so that no position falls on it.
            None => Self::compact(weights),
        }
    }

    /// The order in the form whose size depends on nothing but the number of peers, for a zone with
    /// little room.
    pub(crate) fn compact(weights: Vec<u32>) -> Self {
        let stride = stride(&weights);
        Self::Strided(weights, stride)
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::InTurn(_) => 0,
            Self::Sequence(sequence) => size_of_val(sequence.as_slice()),
            Self::Strided(weights, _) => weights.len() * size_of::<u64>(),
        }
    }

    /// Its header, where it lies `offset` bytes from the table's start and so many of the peers are
    /// in service.
    pub(crate) fn header(&self, offset: usize, in_service: usize) -> PlanHeader {
        let (cycle, stride, length) = match self {
            Self::InTurn(peers) => (*peers as u64, 0, 0),
            Self::Sequence(sequence) => (sequence.len() as u64, 0, sequence.len()),
            Self::Strided(weights, stride) => (stride.cycle, stride.stride, weights.len()),
        };
        // A table's size is bounded by its zone's, and was checked by the allocator.
        PlanHeader {
            cycle,
            stride,
            offset: offset as u32,
            length: length as u32,
            in_service: in_service as u32,
            reserved: 0,
        }
    }
}
