//! One sorted list of all points, which is copied for each change.

/// All points: hash above, number of the server below.
pub struct Flat(Vec<u64>);

fn points(server: u32) -> impl Iterator<Item = u64> {
    peer_balance::points(&crate::name(server), 1)
        .map(move |hash| u64::from(hash) << 32 | u64::from(server))
}

impl Flat {
    /// The ring of these servers.
    pub fn new(servers: u32) -> Self {
        let mut all: Vec<u64> = (0..servers).flat_map(points).collect();
        all.sort_unstable();
        Self(all)
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// The server of a key.
    pub fn find(&self, hash: u32) -> u32 {
        let at = peer_balance::find(|at| (self.0[at] >> 32) as u32, self.0.len(), hash);
        self.0[at % self.0.len()] as u32
    }

    /// The ring with one server in place of another.
    pub fn with(&self, comes: u32, goes: u32) -> Self {
        let mut added: Vec<u64> = points(comes).collect();
        added.sort_unstable();
        let mut added = added.into_iter().peekable();
        let mut all = Vec::with_capacity(self.0.len());
        for &point in self.0.iter().filter(|&&point| point as u32 != goes) {
            while let Some(added) = added.next_if(|&added| added < point) {
                all.push(added);
            }
            all.push(point);
        }
        all.extend(added);
        Self(all)
    }
}
