//! A key as the router reads it.

use std::collections::HashMap;

use etcd_watch::Item;
use map_keys::{Entries, Rules};

use crate::routing::{RouteTarget, listed};

/// A key with what it leads to.
pub(super) struct Route<'i> {
    pub(super) item: &'i Item,
    /// As the variable has it; for secrets only its length is for people.
    pub(super) value: &'i [u8],
    /// The names that the variable can have; none where the value is rejected, or a secret.
    pub(super) targets: Vec<RouteTarget<'i>>,
    /// Why the router rejects it.
    pub(super) rejected: Option<String>,
}

/// All keys below a prefix, in the order of their bytes.
pub(super) fn routes(items: &[Item], rules: Rules) -> Vec<Route<'_>> {
    let mut entries = Entries::beside(rules);
    let update = entries.replace(items.iter().map(|item| (&item.key[..], &item.value[..])));
    let rejected = update.rejected.into_iter().map(|one| (one.key, one.reason.to_string()));
    let mut rejected: HashMap<_, _> = rejected.collect();
    let route = |item: &'_ Item| rejected.remove(&item.key);
    let reasons: Vec<_> = items.iter().map(route).collect();
    let routes = items.iter().zip(reasons).map(|(item, rejected)| {
        let value = rules.value(&item.value).unwrap_or(&item.value);
        let targets = match &rejected {
            Some(_) => Vec::new(),
            None if rules.is_secret => Vec::new(),
            None if rules.is_split => listed(value).unwrap_or_default(),
            None => vec![RouteTarget { name: value, weight: 1 }],
        };
        Route { item, value, targets, rejected }
    });
    routes.collect()
}

/// The part of all choices that each weight has; `None` where no name has a weight.
pub(super) fn shares(targets: &[RouteTarget<'_>]) -> Option<Vec<f64>> {
    let sum: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
    // At most 64 weights of 30 bits: a float holds them.
    let share = |target: &RouteTarget<'_>| f64::from(target.weight) / sum as f64;
    (sum > 0).then(|| targets.iter().map(share).collect())
}
