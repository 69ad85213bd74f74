//! Which etcd something was read from, and whether an etcd that answers now goes on from there.

/// The state of an etcd cluster that something was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The id by which etcd names the cluster. A cluster that is built again from the same members
    /// and with the same `--initial-cluster-token` has the same id.
    pub cluster_id: u64,
    /// The revision of the whole store.
    pub revision: i64,
}

/// How an etcd that answers now relates to an [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuity {
    /// It is the same cluster, at the same revision or a later one.
    Same,
    /// It is another cluster: it was replaced.
    OtherCluster,
    /// It is the same cluster at an earlier revision: it was wiped, or restored from a backup.
    OlderRevision,
}

impl Origin {
    /// How an etcd in the state `now` relates to this one.
    #[must_use]
    pub const fn continuity(self, now: Self) -> Continuity {
        if self.cluster_id != now.cluster_id {
            Continuity::OtherCluster
        } else if now.revision < self.revision {
            Continuity::OlderRevision
        } else {
            Continuity::Same
        }
    }
}

impl Continuity {
    /// The name by which it is shown in a status and kept in a file: `same`, `another_cluster` or
    /// `older_state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::OtherCluster => "another_cluster",
            Self::OlderRevision => "older_state",
        }
    }

    /// Reads what [`as_str`](Self::as_str) gave.
    #[must_use]
    pub fn of_str(name: &str) -> Option<Self> {
        [Self::Same, Self::OtherCluster, Self::OlderRevision]
            .into_iter()
            .find(|continuity| continuity.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Continuity, Origin};

    #[test]
    fn continuity_of_an_origin() {
        let before = Origin { cluster_id: 7, revision: 10 };
        for (cluster_id, revision, expected) in [
            (7, 10, Continuity::Same),
            (7, 11, Continuity::Same),
            (7, 9, Continuity::OlderRevision),
            (8, 9, Continuity::OtherCluster),
            (8, 11, Continuity::OtherCluster),
        ] {
            assert_eq!(before.continuity(Origin { cluster_id, revision }), expected);
            assert_eq!(Continuity::of_str(expected.as_str()), Some(expected));
        }
        assert_eq!(Continuity::of_str("older"), None);
    }
}
