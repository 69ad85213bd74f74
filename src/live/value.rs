//! A key's value, in shared memory.

use live_value::TornRead;

use super::value_state::Known;

/// The longest value, in bytes: as long as the value of a peer's key; nginx's buffers for a
/// request's headers are no longer by default.
pub(crate) const MAX_VALUE_LENGTH: usize = 4096;

/// What lies in shared memory of a key.
pub(crate) type Live = Known<{ MAX_VALUE_LENGTH / size_of::<u64>() }>;

/// What a look at a value has found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Its bytes; `None` where there is no value.
    pub(crate) length: Option<usize>,
    /// Whether etcd has ever said what there is. It is of the same moment as the value: between two
    /// looks etcd might be heard, and a value that is there would pass for none.
    pub(crate) is_heard: bool,
}

impl Live {
    /// Whether etcd has ever said what there is: its first word is published, also where that is
    /// that there is no value.
    pub(crate) fn has_been_heard(&self) -> bool {
        self.value.generation() != 0
    }

    /// Reads the value into `bytes`.
    pub(crate) fn look(&self, bytes: &mut [u8; MAX_VALUE_LENGTH]) -> Look {
        match self.value.read(bytes) {
            Ok(reading) => Look { length: reading.length, is_heard: reading.generation != 0 },
            Err(TornRead) => Look { length: None, is_heard: true },
        }
    }
}
