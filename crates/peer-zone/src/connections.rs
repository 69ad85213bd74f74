//! How many connections to a peer are open, and how many of them are upgraded.

/// Open connections to a peer: of all in the lower half, and of those that are upgraded in the
/// upper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections(pub(crate) u64);

/// In [`Connections`] and in a peer's shared columns: one connection, and what is added to it if it
/// is upgraded.
pub(crate) const CONNECTION: u64 = 1;
pub(crate) const UPGRADE: u64 = 1 << u32::BITS;

impl Connections {
    pub(crate) const fn new(all: u32, upgraded: u32) -> Self {
        Self(all as u64 * CONNECTION + upgraded as u64 * UPGRADE)
    }

    /// All open connections.
    pub fn all(self) -> u32 {
        self.0 as u32
    }

    /// Those of them that are upgraded (WebSocket, for one): they speak no HTTP any more.
    pub fn upgraded(self) -> u32 {
        (self.0 >> u32::BITS) as u32
    }
}
