//! Services: the groups in which keys of nodes stand.

use std::collections::{BTreeMap, BTreeSet};

use etcd_watch::Item;
use upstream_peers::{KeyContent, Reading, Value, parse_value};

/// The nodes of services, by the names of these.
pub(crate) type ServiceNodes = BTreeMap<Vec<u8>, Service>;

/// How many nodes a service has: addresses that its keys name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) nodes: usize,
    pub(crate) down: usize,
    /// By the parameter `drain`, or a weight of 0.
    pub(crate) drain: usize,
    pub(crate) backup: usize,
    /// Those that are neither down nor drained.
    pub(crate) available: usize,
    /// Keys that the router rejects.
    pub(crate) rejected: usize,
}

/// The service of a key below the prefix: what stands before the first slash. The key that is the
/// prefix itself has none.
fn service_of(key: &[u8]) -> Option<&[u8]> {
    if key.is_empty() {
        return None;
    }
    key.split(|&byte| byte == b'/').next()
}

/// The services of all keys below a prefix.
pub(crate) fn tally(items: &[Item], reading: &Reading) -> ServiceNodes {
    let content = |item| content(item, reading);
    // Traefik's weights are keys of their own.
    let drained: BTreeSet<&str> = items
        .iter()
        .filter_map(|item| match content(item) {
            Some(KeyContent::Setting { of, weight: Some(0) }) => Some(of),
            _ => None,
        })
        .collect();
    let mut services = ServiceNodes::new();
    for item in items {
        let Some(name) = service_of(&item.key) else { continue };
        let service = services.entry(name.to_vec()).or_default();
        match content(item) {
            Some(KeyContent::Servers { name, values }) => {
                values.iter().for_each(|value| service.add(value, drained.contains(name)));
            }
            Some(KeyContent::Setting { .. }) => {}
            None => service.rejected += 1,
        }
    }
    services
}

/// What a key says; `None` if it is rejected.
fn content<'i>(item: &'i Item, reading: &Reading) -> Option<KeyContent<'i>> {
    let key = str::from_utf8(&item.key).ok()?;
    parse_value(key, &item.value, reading).ok()
}

impl Service {
    fn add(&mut self, value: &Value, is_drained: bool) {
        let set = &value.overrides;
        let is_down = set.down == Some(true);
        let drains = is_drained || set.drain == Some(true) || set.weight == Some(0);
        self.nodes += 1;
        self.down += usize::from(is_down);
        self.drain += usize::from(drains);
        self.backup += usize::from(set.backup == Some(true));
        self.available += usize::from(!is_down && !drains);
    }
}

#[cfg(test)]
mod tests {
    use etcd_watch::Item;
    use upstream_peers::Reading;

    use super::{Service, service_of, tally};

    fn items(pairs: &[(&str, &str)]) -> Vec<Item> {
        let item = |(key, value): &(&str, &str)| Item {
            key: key.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
            create_revision: 1,
            mod_revision: 1,
            lease: 0,
        };
        pairs.iter().map(item).collect()
    }

    #[test]
    fn first_part_of_a_key_is_its_service() {
        for (key, expected) in
            [("web/node-1", Some("web")), ("web", Some("web")), ("a/b/c", Some("a")), ("", None)]
        {
            assert_eq!(service_of(key.as_bytes()), expected.map(str::as_bytes), "{key}");
        }
    }

    #[test]
    fn nodes_are_counted_by_their_state() {
        let services = tally(
            &items(&[
                ("", "marker"),
                ("api", "10.0.0.1:80"),
                ("api/2", "10.0.0.2:80 down backup"),
                ("several/a", r#"{"nodes":{"10.0.0.7:80":5,"10.0.0.8:80":0}}"#),
                ("t/n/url", "http://10.0.0.7:80"),
                ("t/n/weight", "0"),
                ("web/1", "10.0.0.1:80 drain"),
                ("web/2", "10.0.0.1:80 weight=0 down"),
                ("web/3", "10.0.0.1:http"),
                ("web/4", "10.0.0.1:80"),
            ]),
            &Reading::default(),
        );
        let service = |name: &str| services.get(name.as_bytes()).copied();
        let none = Service::default();
        assert_eq!(services.len(), 4, "{services:?}");
        assert_eq!(
            service("api"),
            Some(Service { nodes: 2, down: 1, backup: 1, available: 1, ..none })
        );
        assert_eq!(service("several"), Some(Service { nodes: 2, drain: 1, available: 1, ..none }));
        assert_eq!(service("t"), Some(Service { nodes: 1, drain: 1, ..none }));
        assert_eq!(
            service("web"),
            Some(Service { nodes: 3, down: 1, drain: 2, available: 1, rejected: 1, ..none })
        );
    }
}
