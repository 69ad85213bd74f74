//! What is said of a zone that has no room for all of its peers.

use peer_zone::ZoneFull;

/// What is wrong, with a zone of this size in bytes, and what to do.
pub(crate) fn shortage_message(full: ZoneFull, zone_size: usize) -> String {
    let ZoneFull { left_out, peers, lacks_method, .. } = full;
    let zone = size_in_words(zone_size);
    let enough = size_in_words(enough(full, zone_size));
    let remedy = format!("\"zone={enough}\" would do");
    if lacks_method {
        return format!(
            "\"zone={zone}\" of the \"etcd\" directive has no room for what \"etcd_balance\" needs \
             with {peers} peers: until it has, requests go by round robin, and no peer is added: \
             {remedy}"
        );
    }
    format!(
        "{left_out} of {peers} peers do not fit into \"zone={zone}\" of the \"etcd\" directive, \
         and are left out until there is room: {remedy}"
    )
}

/// A size that holds all of them, with some room for more.
fn enough(full: ZoneFull, zone_size: usize) -> usize {
    let needs = full.needs.saturating_add(full.needs / 4).max(zone_size + 1);
    needs.checked_next_power_of_two().unwrap_or(needs)
}

/// As nginx writes sizes.
fn size_in_words(size: usize) -> String {
    match (size % (1 << 20), size % (1 << 10)) {
        (0, _) => format!("{}m", size >> 20),
        (_, 0) => format!("{}k", size >> 10),
        _ => size.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_size_that_is_configured_and_one_that_would_do() {
        let full = ZoneFull {
            left_out: 34,
            peers: 180,
            lacks_method: false,
            needs: 80_000,
            changes: Default::default(),
        };
        assert_eq!(
            shortage_message(full, 64 << 10),
            "34 of 180 peers do not fit into \"zone=64k\" of the \"etcd\" directive, and are left \
             out until there is room: \"zone=128k\" would do"
        );
        assert!(
            shortage_message(full, 1 << 20).contains("\"zone=2m\" would do"),
            "more than there is"
        );
        assert!(
            shortage_message(ZoneFull { lacks_method: true, ..full }, 1_000_000)
                .contains("\"zone=1000000\"")
        );
    }
}
