//! What is to be checked.

use crate::health::HealthState;
use crate::peer::{Address, PeerId};
use crate::plan::CheckPlan;

/// A peer that is to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Which one it is.
    pub id: PeerId,
    /// Where it is checked.
    pub target: Address,
    /// What is known of it already; counts only for a peer that was not checked before.
    pub state: HealthState,
    /// How it is checked; `None`: as [`Checks::new`](crate::Checks::new) was told. What is known of
    /// a peer stays if its plan changes; a check of it that is under way is dropped, and the next
    /// one comes soon.
    pub plan: Option<CheckPlan>,
}
