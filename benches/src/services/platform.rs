//! Hosts, the services that they lead to, and the nodes of these.

use crate::fleet::Fleet;
use crate::method::Method;

/// Nodes of each service.
pub const NODES: usize = 10;
/// The prefix of the hosts in etcd.
pub const ROUTES: &str = "/routes/";

/// As many services, each with a host and [`NODES`] nodes, and those that were added.
#[derive(Clone, Debug)]
pub struct Platform {
    services: Vec<Service>,
}

/// A service with its host.
#[derive(Clone, Debug)]
pub struct Service {
    /// The service's name.
    pub name: String,
    /// The host's.
    pub host: String,
    /// The nodes' addresses.
    pub nodes: Vec<String>,
}

impl Service {
    /// One with these nodes.
    pub fn new(name: &str, nodes: Vec<String>) -> Self {
        Self { name: name.to_owned(), host: format!("{name}.example"), nodes }
    }
}

/// The name of a service.
pub fn name(number: usize) -> String {
    format!("service-{number:05}")
}

impl Platform {
    /// So many services, each node at an address of its own, all on one port.
    pub fn of(services: usize, nodes: usize, port: u16) -> Self {
        let fleet = Fleet::kept(services * nodes, Method::RoundRobin);
        let address = |number| fleet.address(number, port);
        let service = |number: usize| {
            let first = number * nodes;
            Service::new(&name(number), (first..first + nodes).map(address).collect())
        };
        Self { services: (0..services).map(service).collect() }
    }

    /// All of them.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// Adds one.
    pub fn add(&mut self, service: Service) {
        self.services.push(service);
    }

    /// The pairs of etcd that route a service's host, and that are its nodes, below the prefix
    /// `nodes`.
    pub fn pairs<'a>(
        service: &'a Service,
        nodes: &'a str,
    ) -> impl Iterator<Item = (String, String)> + 'a {
        let route = (format!("{ROUTES}{}", service.host), service.name.clone());
        let node = move |(number, address): (usize, &String)| {
            (format!("{nodes}{}/node-{number}", service.name), address.clone())
        };
        std::iter::once(route).chain(service.nodes.iter().enumerate().map(node))
    }

    /// The pairs of all services.
    pub fn all_pairs<'a>(&'a self, nodes: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
        self.services.iter().flat_map(move |service| Self::pairs(service, nodes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Platform, Service};

    #[test]
    fn a_service_has_a_route_and_nodes() {
        let mut platform = Platform::of(2, 2, 80);
        platform.add(Service::new("new", vec!["127.0.0.1:1".to_owned()]));
        let pairs: Vec<_> = platform.all_pairs("/nodes/").collect();
        assert_eq!(pairs.len(), 2 * 3 + 2);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(pairs[3], pair("/routes/service-00001.example", "service-00001"));
        assert_eq!(pairs[5], pair("/nodes/service-00001/node-1", "127.1.0.4:80"));
        assert_eq!(pairs[7], pair("/nodes/new/node-0", "127.0.0.1:1"));
    }
}
