//! The one connection of a cluster, shared by all of its prefixes.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error, TlsOptions};
use tokio::sync::Mutex;

use crate::cluster::ClusterConfig;

/// After this time without a frame from etcd, HTTP/2 asks whether the other side is still there. Together with
/// [`KEEP_ALIVE_TIMEOUT`], a server that is black-holed or stopped is noticed in 4 s.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// How long the answer to that may take.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// A cluster to follow prefixes of. Cheap to clone: the clones, and so all prefixes, share one HTTP/2 connection.
///
/// The connection is to one endpoint at a time. A client that balances its calls over several fails a share of them
/// for as long as one endpoint is dead.
#[derive(Clone, Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ClusterConfig,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    generation: u64,
    endpoint: usize,
    client: Option<Client>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Current")
            .field("generation", &self.generation)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The connection of a generation. It is made by the first call that uses it.
pub(crate) struct Connection {
    pub(crate) generation: u64,
    pub(crate) client: Result<Client, Error>,
}

impl Cluster {
    /// A cluster that is connected to when a prefix is first followed.
    #[must_use]
    pub fn new(config: ClusterConfig) -> Self {
        Self { shared: Arc::new(Shared { config, current: Mutex::default() }) }
    }

    pub(crate) fn endpoints(&self) -> usize {
        self.shared.config.endpoints.len()
    }

    /// The connection in use.
    pub(crate) async fn connection(&self) -> Connection {
        // Nothing in the locked part waits for the network: without a user to log in, the client connects lazily.
        let mut current = self.shared.current.lock().await;
        let client = match &current.client {
            Some(client) => Ok(client.clone()),
            None => self.connect(current.endpoint).await,
        };
        current.client = client.as_ref().ok().cloned();
        Connection { generation: current.generation, client }
    }

    /// Turns to the next endpoint, unless another prefix did so since this generation's connection was handed out:
    /// prefixes that lose the same connection turn once.
    pub(crate) async fn turn(&self, generation: u64) {
        let mut current = self.shared.current.lock().await;
        if current.generation == generation {
            current.generation += 1;
            current.endpoint = (current.endpoint + 1) % self.endpoints().max(1);
            current.client = None;
        }
    }

    async fn connect(&self, endpoint: usize) -> Result<Client, Error> {
        let config = &self.shared.config;
        let Some(endpoint) = config.endpoints.get(endpoint) else {
            return Err(Error::InvalidArgs("no endpoint is configured".to_owned()));
        };
        let mut options = ConnectOptions::new()
            .with_connect_timeout(config.connect_timeout)
            .with_keep_alive(KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT)
            .with_keep_alive_while_idle(true)
            // A member cut off from its quorum still answers pings and progress requests, and has no news.
            .with_require_leader(true);
        // TLS options with a plain URL are an error.
        if endpoint.starts_with("https://") {
            options = options.with_tls(TlsOptions::new().with_enabled_roots());
        }
        Client::connect([endpoint], Some(options)).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Cluster;
    use crate::cluster::ClusterConfig;

    #[tokio::test]
    async fn two_prefixes_that_fail_at_once_turn_once() {
        let endpoints = ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"];
        let cluster = Cluster::new(ClusterConfig {
            name: "main".to_owned(),
            endpoints: endpoints.map(str::to_owned).to_vec(),
            connect_timeout: Duration::from_secs(1),
        });
        let first = cluster.connection().await;
        let second = cluster.clone().connection().await;
        assert_eq!(first.generation, second.generation);
        cluster.turn(first.generation).await;
        cluster.turn(second.generation).await;
        assert_eq!(cluster.shared.current.lock().await.endpoint, 1);
        for expected in [2, 0, 1] {
            let connection = cluster.connection().await;
            assert!(connection.client.is_ok());
            cluster.turn(connection.generation).await;
            assert_eq!(cluster.shared.current.lock().await.endpoint, expected);
        }
    }

    #[tokio::test]
    async fn no_endpoint_is_an_error() {
        let config =
            ClusterConfig { name: "main".to_owned(), endpoints: vec![], connect_timeout: Duration::ZERO };
        let cluster = Cluster::new(config);
        assert!(cluster.connection().await.client.is_err());
        cluster.turn(0).await;
        assert!(cluster.connection().await.client.is_err());
    }
}
