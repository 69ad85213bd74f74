//! What the log says of zones.

use crate::ZoneFull;

/// A zone has no room for all of its peers: what is wrong, with a zone of `zone_size` bytes, and
/// what to do.
#[must_use]
pub fn shortage(full: &ZoneFull, zone_size: usize) -> String {
    let ZoneFull { left_out, peers, lacks_method, group, .. } = full;
    let zone = size(zone_size);
    let advice = format!("increase it to \"zone={}\"", size(enough(full, zone_size)));
    // Peers without a group are in that without a name.
    if let Some(group) = group.as_ref().filter(|group| *lacks_method && !group.is_empty()) {
        return format!(
            "\"zone={zone}\" is too small for the method of group {group:?} with {peers} peers in \
             all: round robin is used there and no peers are added to it; {advice}"
        );
    }
    if *lacks_method {
        return format!(
            "\"zone={zone}\" is too small for \"etcd_balance\" with {peers} peers: round robin is \
             used and no peers are added; {advice}"
        );
    }
    format!("\"zone={zone}\" is too small: {left_out} of {peers} peers are not used; {advice}")
}

/// It has room for all of them again.
#[must_use]
pub fn all_fit(count: usize) -> String {
    format!("zone has space for all {count} peers again")
}

/// A zone of `size` bytes is too small for what has to be in it.
#[must_use]
pub fn too_small(name: &str, size: usize, why: &str) -> String {
    format!(
        "zone \"{name}\" of {size} bytes is too small ({why}): increase \"zone\" of the \"etcd\" \
         directive"
    )
}

/// Processes use the zone of an upstream, nearly as many as can, or more.
#[must_use]
pub fn many_processes(upstream: &str, count: u32, most: u32) -> String {
    format!(
        "{count} of at most {most} processes use the zone of upstream \"{upstream}\": old workers \
         are still shutting down, \"worker_shutdown_timeout\" limits the time"
    )
}

/// A size that holds all peers, with some room for more, of a zone that has `zone_size` bytes now.
#[must_use]
pub fn enough(full: &ZoneFull, zone_size: usize) -> usize {
    let needs = full.needs.saturating_add(full.needs / 4).max(zone_size + 1);
    needs.checked_next_power_of_two().unwrap_or(needs)
}

/// As nginx writes sizes.
fn size(bytes: usize) -> String {
    match (bytes % (1 << 20), bytes % (1 << 10)) {
        (0, _) => format!("{}m", bytes >> 20),
        (_, 0) => format!("{}k", bytes >> 10),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{all_fit, many_processes, shortage, too_small};
    use crate::ZoneFull;

    #[test]
    fn messages_are_worded_so() {
        let full = ZoneFull {
            left_out: 34,
            peers: 180,
            lacks_method: false,
            group: None,
            needs: 80_000,
            changes: Default::default(),
        };
        for (message, expected) in [
            (
                shortage(&full, 64 << 10),
                "\"zone=64k\" is too small: 34 of 180 peers are not used; increase it to \
                 \"zone=128k\"",
            ),
            // More than there is, whatever is needed.
            (
                shortage(&full, 1 << 20),
                "\"zone=1m\" is too small: 34 of 180 peers are not used; increase it to \
                 \"zone=2m\"",
            ),
            (
                shortage(&ZoneFull { lacks_method: true, ..full.clone() }, 1_000_000),
                "\"zone=1000000\" is too small for \"etcd_balance\" with 180 peers: round robin \
                 is used and no peers are added; increase it to \"zone=1m\"",
            ),
            (
                shortage(
                    &ZoneFull { lacks_method: true, group: Some("a\"b".into()), ..full.clone() },
                    1_000_000,
                ),
                "\"zone=1000000\" is too small for the method of group \"a\\\"b\" with 180 peers \
                 in all: round robin is used there and no peers are added to it; increase it to \
                 \"zone=1m\"",
            ),
            (all_fit(180), "zone has space for all 180 peers again"),
            (
                too_small("etcd:web", 8192, "no space left beside nginx's own"),
                "zone \"etcd:web\" of 8192 bytes is too small (no space left beside nginx's own): \
                 increase \"zone\" of the \"etcd\" directive",
            ),
            (
                many_processes("web", 800, 1056),
                "800 of at most 1056 processes use the zone of upstream \"web\": old workers are \
                 still shutting down, \"worker_shutdown_timeout\" limits the time",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }
}
