//! Whom to ask: name servers, the hosts file and the search list, as they are at the moment.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{Hosts, TokioResolver, system_conf};

/// The most lookups that run at the same time. Names may come by the thousand at one moment, and
/// name servers drop or refuse what comes too fast; with an answer in 10 ms these are still 3 200
/// names a second.
pub(crate) const LOOKUPS_AT_ONCE: usize = 32;

/// How long one lookup may take, all of its queries together. It is the time-out that
/// resolv.conf(5) gives to one query: a resolver that has found nothing by then has not got an
/// answer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// How long one round of queries may take: a little under a third of [`DEADLINE`]. hickory asks two
/// name servers at a time, and the quickest of the past first; resolv.conf names three at most. A
/// lookup then gets past two that are silent.
const ROUND: Duration = Duration::from_millis(1_600);

/// Where the name servers come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// /etc/hosts, then the servers of /etc/resolv.conf.
    System,
    /// These servers and nothing else.
    Fixed(Vec<SocketAddr>),
}

/// The name servers, together and one by one.
pub(crate) struct Resolvers {
    /// Asks all of them, two at a time.
    pub(crate) all: TokioResolver,
    /// Each asks one of them, once; empty if there is only one.
    pub(crate) each: Vec<TokioResolver>,
}

/// What one or several lookups ask.
pub(crate) struct Servers {
    /// The resolvers, or why there are none.
    pub(crate) resolvers: Result<Resolvers, String>,
    /// The hosts file, empty if it cannot be read.
    pub(crate) hosts: Hosts,
    pub(crate) search: Search,
}

impl Servers {
    /// Reads the system's files, which hickory does not do again by itself.
    pub(crate) fn new(source: &Source) -> Self {
        match source {
            Source::System => {
                let hosts = Hosts::from_system().unwrap_or_default();
                match system_conf::read_system_conf() {
                    Ok((config, options)) => Self::with(config, options, hosts),
                    Err(error) => Self {
                        resolvers: Err(format!("/etc/resolv.conf: {error}")),
                        hosts,
                        search: Search::default(),
                    },
                }
            }
            Source::Fixed(servers) => {
                let servers = servers.iter().map(|server| {
                    let connections =
                        [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                            connection.port = server.port();
                            connection
                        });
                    NameServerConfig::new(server.ip(), true, connections.into())
                });
                let config = ResolverConfig::from_name_servers(servers.collect());
                Self::with(config, ResolverOpts::default(), Hosts::default())
            }
        }
    }

    fn with(config: ResolverConfig, mut options: ResolverOpts, hosts: Hosts) -> Self {
        options.timeout = options.timeout.min(ROUND);
        // Each lookup asks for both families.
        options.max_active_requests = 2 * LOOKUPS_AT_ONCE;
        // The addresses are kept here, and asked for only when their time is up.
        options.cache_size = 0;
        // Asked here: hickory would look into the file only after the search list.
        options.use_hosts_file = ResolveHosts::Never;
        let search = Search::new(&config, options.ndots);
        Self {
            resolvers: Resolvers::new(config, options).map_err(|error| error.to_string()),
            hosts,
            search,
        }
    }
}

impl Resolvers {
    fn new(config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, NetError> {
        let servers = config.name_servers().to_vec();
        let all = resolver(config, options.clone())?;
        options.attempts = 0;
        let single =
            |server| resolver(ResolverConfig::from_name_servers(vec![server]), options.clone());
        let each = if servers.len() > 1 {
            servers.into_iter().map(single).collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        Ok(Self { all, each })
    }
}

fn resolver(config: ResolverConfig, options: ResolverOpts) -> Result<TokioResolver, NetError> {
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
}

/// The domains that are tried for a name that does not end with a dot.
#[derive(Debug, Default)]
pub(crate) struct Search {
    domains: Vec<Name>,
    /// A name with so many dots is tried as it is before the domains, otherwise after them.
    ndots: usize,
}

impl Search {
    fn new(config: &ResolverConfig, ndots: usize) -> Self {
        Self {
            domains: config.domain().into_iter().chain(config.search()).cloned().collect(),
            ndots,
        }
    }

    /// The absolute names to try for `name`, in hickory's order. hickory would try them by itself,
    /// but for each family of addresses apart, so that the answer could be made of two different
    /// hosts.
    pub(crate) fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut as_it_is = name.clone();
        as_it_is.set_fqdn(true);
        if name.is_fqdn() {
            return vec![as_it_is];
        }
        let mut candidates = Vec::with_capacity(self.domains.len() + 1);
        for domain in &self.domains {
            // What becomes too long for a name does not exist.
            if let Ok(mut candidate) = name.clone().append_domain(domain) {
                candidate.set_fqdn(true);
                if !candidates.contains(&candidate) && candidate != as_it_is {
                    candidates.push(candidate);
                }
            }
        }
        let first = usize::from(name.num_labels()) > self.ndots || name.is_localhost();
        candidates.insert(if first { 0 } else { candidates.len() }, as_it_is);
        candidates
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::ResolverConfig;
    use hickory_resolver::proto::rr::Name;

    use super::Search;

    fn candidates(name: &str, ndots: usize) -> Vec<String> {
        let domain = |text: &str| Name::from_ascii(text).expect("a name");
        let mut config =
            ResolverConfig::from_parts(Some(domain("corp.example.")), Vec::new(), Vec::new());
        for search in ["corp.example", "lab.example."] {
            config.add_search(domain(search));
        }
        let names = Search::new(&config, ndots).candidates(&domain(name));
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_that_ends_with_a_dot_is_not_searched_for() {
        assert_eq!(candidates("node.", 1), ["node."]);
    }

    #[test]
    fn dots_decide_what_comes_first() {
        assert_eq!(candidates("node", 1), ["node.corp.example.", "node.lab.example.", "node."]);
        assert_eq!(
            candidates("a.node", 1),
            ["a.node.", "a.node.corp.example.", "a.node.lab.example."]
        );
        assert_eq!(
            candidates("a.node", 2),
            ["a.node.corp.example.", "a.node.lab.example.", "a.node."]
        );
        assert_eq!(candidates("localhost", 1)[0], "localhost.");
    }

    #[test]
    fn what_becomes_too_long_is_left_out() {
        let long = [["a"; 60].join("."), ["b"; 64].join(".")].join(".");
        assert_eq!(candidates(&long, 1), [format!("{long}.")]);
    }
}
