//! Which routes lead to which service.

use std::collections::BTreeMap;

use etcd_watch::Item;

use crate::routing::{leads_to, possible_targets};

/// The names of routes, each by the service to which it leads.
pub(super) type Routed = BTreeMap<Vec<u8>, Vec<String>>;

/// The routes of each service of `services`, and of those that routes alone name.
pub(super) fn routed<'s>(routes: &[Item], services: impl Iterator<Item = &'s Vec<u8>>) -> Routed {
    let mut routed: Routed = services.map(|name| (name.clone(), Vec::new())).collect();
    for route in routes {
        let mut names: Vec<_> =
            possible_targets(&route.value).into_iter().map(<[u8]>::to_vec).collect();
        // A service may have the name of a whole list.
        let whole = route.value.strip_suffix(b"\n").unwrap_or(&route.value);
        if routed.contains_key(whole) && !names.iter().any(|name| name == whole) {
            names.push(whole.to_vec());
        }
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            routed.entry(name).or_default().push(name_of(route));
        }
    }
    routed
}

/// The names of the routes that lead to a service.
pub(super) fn routes_to(routes: &[Item], service: &str) -> Vec<String> {
    let leading = routes.iter().filter(|route| leads_to(&route.value, service.as_bytes()));
    leading.map(name_of).collect()
}

fn name_of(route: &Item) -> String {
    String::from_utf8_lossy(&route.key).into_owned()
}
