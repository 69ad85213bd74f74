//! The one connection of a cluster, shared by all of its prefixes, and its login.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};

use crate::backoff::{AnswerDeadline, Backoff};
use crate::cluster::ClusterConfig;
use crate::endpoints::{Endpoint, Endpoints};
use crate::files::Files;
use crate::login::log_in;
use crate::progress::Progress;
use crate::quorum_state::SharedQuorumState;
use crate::tls;
use crate::trouble::Trouble;
use crate::update::Cause;

/// After this time without a frame from etcd, HTTP/2 asks whether the other side is still there.
/// Together with [`KEEP_ALIVE_TIMEOUT`], a server that is black-holed or stopped is noticed in 7 s,
/// even where nothing is asked of it; watches notice it sooner, by what they ask. etcd (gRPC for
/// Go) sends `too_many_pings` to a client that pings more often while there is no other traffic.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long the answer to that may take.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// For how long a token must have served for the next login to come at once. A login costs etcd
/// some 100 ms of a core (bcrypt), so that what makes tokens void as soon as they are given must
/// not make for a login with each attempt.
const TOKEN_LASTS: Duration = Duration::from_secs(1);

/// A cluster to follow prefixes of. Cheap to clone: the clones, and so all prefixes, share one
/// HTTP/2 connection.
///
/// The connection is to one endpoint at a time. A client that balances its calls over several fails
/// a share of them for as long as one endpoint is dead.
#[derive(Clone, Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClusterConfig,
    files: Arc<dyn Files>,
    current: Mutex<Current>,
    /// How many attempts to connect and to log in have failed.
    failures: AtomicU64,
    /// How many tokens were found to be void.
    void_tokens: AtomicU64,
    endpoints: Endpoints,
    /// The endpoints of which it was said that they answer no progress requests.
    proxies: Mutex<HashSet<Arc<str>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

struct Current {
    generation: u64,
    endpoint: usize,
    /// Made by the first who wants it.
    connection: Option<Connection>,
    /// Whether it has the token that it needs.
    is_logged_in: bool,
    logged_in_at: Option<Instant>,
    /// Why the last attempt failed.
    failure: Option<Trouble>,
    /// There is no attempt before.
    not_before: Instant,
    backoff: Backoff,
    /// For a login.
    answer_deadline: AnswerDeadline,
}

/// The connection of a generation.
#[derive(Clone)]
pub(crate) struct Connection {
    generation: u64,
    /// The URL.
    pub(crate) endpoint: Arc<str>,
    client: Client,
    has_answered: Arc<AtomicBool>,
    pub(crate) quorum: Arc<SharedQuorumState>,
    pub(crate) progress: Arc<Progress>,
}

impl Connection {
    /// Whether a list was answered by means of it.
    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }
}

impl Cluster {
    /// A cluster that is connected to when a prefix is first followed; its certificates and its
    /// password are read with `files`.
    #[must_use]
    pub fn new(config: ClusterConfig, files: Arc<dyn Files>) -> Self {
        let current = Current {
            generation: 0,
            endpoint: 0,
            connection: None,
            is_logged_in: false,
            logged_in_at: None,
            failure: None,
            not_before: Instant::now(),
            backoff: Backoff::new(config.endpoints.len()),
            answer_deadline: AnswerDeadline::default(),
        };
        let endpoints = Endpoints::new(&config.endpoints);
        Self {
            shared: Arc::new(Shared {
                config,
                files,
                current: Mutex::new(current),
                failures: AtomicU64::new(0),
                void_tokens: AtomicU64::new(0),
                endpoints,
                proxies: Mutex::default(),
            }),
        }
    }

    /// The URL of the endpoint that is in use: it has answered a list, and has not been left since.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.config().endpoints.get(self.shared.endpoints.in_use()?).map(String::as_str)
    }

    /// What is known of each endpoint, in the order of the configuration, now and as it changes.
    #[must_use]
    pub fn endpoints(&self) -> watch::Receiver<Vec<Endpoint>> {
        self.shared.endpoints.subscribe()
    }

    pub(crate) fn known_endpoints(&self) -> &Endpoints {
        &self.shared.endpoints
    }

    pub(crate) fn config(&self) -> &ClusterConfig {
        &self.shared.config
    }

    /// The connection in use, with the token that it needs.
    ///
    /// Where it is to be made, or a token is wanted, one does it, and all who want it meanwhile
    /// wait for that: they share the failure, too, and all try again at the moment that the error
    /// names.
    pub(crate) async fn connection(&self) -> Result<Connection, Trouble> {
        let failures = self.shared.failures.load(Ordering::Relaxed);
        loop {
            let mut current = self.shared.current.lock().await;
            if let Some(connection) = &current.connection
                && current.is_logged_in
            {
                return Ok(connection.clone());
            }
            let must_wait = Instant::now() < current.not_before;
            if let Some(failure) = &current.failure
                && (must_wait || self.shared.failures.load(Ordering::Relaxed) != failures)
            {
                return Err(failure.clone());
            }
            if !must_wait {
                return self.establish(&mut current).await;
            }
            let until = current.not_before;
            drop(current);
            sleep_until(until).await;
        }
    }

    /// Calls etcd. If the token turns out to be void, logs in again, and calls once more.
    pub(crate) async fn with_token<T, F>(
        &self,
        connection: &Connection,
        call: impl Fn(Client) -> F,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let void_tokens = self.shared.void_tokens.load(Ordering::Relaxed);
        match call(connection.client.clone()).await {
            Err(trouble) if self.config().login.is_some() && trouble.kind.asks_for_login() => {
                self.renew(connection.generation, void_tokens).await?;
                // The client sends the new token, as all of its clones do.
                call(connection.client.clone()).await
            }
            result => result,
        }
    }

    /// The endpoint of this connection has answered.
    pub(crate) async fn note_answer(&self, connection: &Connection) {
        connection.has_answered.store(true, Ordering::Relaxed);
        let current = self.shared.current.lock().await;
        if current.generation == connection.generation {
            self.shared.endpoints.note_answer(current.endpoint);
        }
    }

    /// The endpoint of this connection answers no progress requests. Returns whether that is news,
    /// whichever connection it was found by.
    pub(crate) async fn note_proxy(&self, connection: &Connection) -> bool {
        self.shared.proxies.lock().await.insert(Arc::clone(&connection.endpoint))
    }

    /// Turns to the next endpoint, unless another prefix did so since this connection was handed
    /// out: prefixes that lose the same connection turn once.
    pub(crate) async fn turn(&self, connection: &Connection) {
        let mut current = self.shared.current.lock().await;
        if current.generation == connection.generation {
            current.space_logins(Backoff::after_endpoint);
            self.advance(&mut current);
        }
    }

    /// Sees to another token than the one that was found to be void, unless another call has done
    /// so.
    async fn renew(&self, generation: u64, void_tokens: u64) -> Result<(), Trouble> {
        let mut current = self.shared.current.lock().await;
        let is_first = self
            .shared
            .void_tokens
            .compare_exchange(void_tokens, void_tokens + 1, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if current.generation == generation && is_first {
            current.space_logins(Backoff::after_refusal);
            current.is_logged_in = false;
        }
        drop(current);
        self.connection().await.map(drop)
    }

    fn advance(&self, current: &mut Current) {
        current.generation += 1;
        current.endpoint = (current.endpoint + 1) % self.config().endpoints.len().max(1);
        current.connection = None;
        current.is_logged_in = false;
        self.shared.endpoints.note_left();
    }

    /// Makes the connection, or logs in by means of the one that is there.
    async fn establish(&self, current: &mut Current) -> Result<Connection, Trouble> {
        let mut trouble = match self.attempt(current).await {
            Ok(connection) => {
                current.failure = None;
                return Ok(connection);
            }
            Err(trouble) => trouble,
        };
        trouble.endpoint =
            self.config().endpoints.get(current.endpoint).map(|url| url.as_str().into());
        let wait = if trouble.turn {
            if trouble.is_late {
                current.answer_deadline.note_late();
            }
            let wait = current.backoff.after_endpoint();
            if !wait.is_zero() {
                current.answer_deadline.end_round();
            }
            self.advance(current);
            wait
        } else {
            current.backoff.after_refusal()
        };
        current.not_before = Instant::now() + wait;
        trouble.retry_at = Some(current.not_before);
        current.failure = Some(trouble.clone());
        self.shared.failures.fetch_add(1, Ordering::Relaxed);
        Err(trouble)
    }

    async fn attempt(&self, current: &mut Current) -> Result<Connection, Trouble> {
        let mut connection = match &current.connection {
            Some(connection) => connection.clone(),
            None => {
                let connection = self.connect(current.generation, current.endpoint).await?;
                current.connection.insert(connection).clone()
            }
        };
        let Shared { config, files, .. } = &*self.shared;
        match &config.login {
            Some(login) => {
                let deadline = current.answer_deadline.current();
                log_in(&mut connection.client, login, &config.setting_names, &**files, deadline)
                    .await?;
                current.logged_in_at = Some(Instant::now());
                current.answer_deadline = AnswerDeadline::default();
            }
            // Nothing but files has kept it from being made.
            None => current.backoff.reset(),
        }
        current.is_logged_in = true;
        Ok(connection)
    }

    async fn connect(&self, generation: u64, endpoint: usize) -> Result<Connection, Trouble> {
        let trouble = |error| Trouble::call("connect", &error, Cause::Unreachable);
        let config = &self.shared.config;
        let Some(endpoint) = config.endpoints.get(endpoint) else {
            return Err(trouble(Error::InvalidArgs("no endpoint is configured".to_owned())));
        };
        let mut options = ConnectOptions::new()
            .with_connect_timeout(config.connect_timeout)
            .with_keep_alive(KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT)
            .with_keep_alive_while_idle(true)
            // A member that knows of no leader is to say so at once.
            .with_require_leader(true);
        // TLS options with a plain URL are an error.
        if endpoint.starts_with("https://") {
            let tls = tls::options(config, &*self.shared.files).await?;
            options = options.with_tls(tls);
        }
        // Without a user it connects with its first call, which has a deadline.
        let client = Client::connect([endpoint], Some(options)).await.map_err(trouble)?;
        Ok(Connection {
            generation,
            endpoint: endpoint.as_str().into(),
            client,
            has_answered: Arc::default(),
            quorum: Arc::default(),
            progress: Arc::default(),
        })
    }
}

impl Current {
    /// The next login has to wait, if the last one was only just now.
    fn space_logins(&mut self, wait: impl Fn(&mut Backoff) -> Duration) {
        match self.logged_in_at {
            Some(at) if at.elapsed() < TOKEN_LASTS => {
                self.not_before = Instant::now() + wait(&mut self.backoff);
            }
            _ => self.backoff.reset(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::Cluster;
    use crate::cluster::{ClusterConfig, Tls};
    use crate::files::OwnFiles;
    use crate::setting_names::SettingNames;

    fn cluster(endpoints: &[&str]) -> Cluster {
        let config = ClusterConfig {
            name: "main".to_owned(),
            endpoints: endpoints.iter().copied().map(str::to_owned).collect(),
            connect_timeout: Duration::from_secs(1),
            tls: Tls::default(),
            login: None,
            setting_names: SettingNames::DIRECTIVES,
        };
        Cluster::new(config, Arc::new(OwnFiles))
    }

    #[tokio::test]
    async fn two_prefixes_that_fail_at_once_turn_once() {
        let endpoints = ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"];
        let cluster = cluster(&endpoints);
        let connection =
            async || cluster.connection().await.unwrap_or_else(|_| unreachable!("it is lazy"));
        let (first, second) = (connection().await, connection().await);
        cluster.turn(&first).await;
        cluster.turn(&second).await;
        for expected in [1, 2, 0, 1] {
            let connection = connection().await;
            assert_eq!(&*connection.endpoint, endpoints[expected]);
            assert_eq!(cluster.endpoint(), None);
            cluster.note_answer(&first).await;
            assert_eq!(cluster.endpoint(), None);
            cluster.note_answer(&connection).await;
            assert_eq!(cluster.endpoint(), Some(endpoints[expected]));
            cluster.turn(&connection).await;
        }
    }

    #[tokio::test]
    async fn no_endpoint_is_an_error() {
        let cluster = cluster(&[]);
        for _ in 0..2 {
            assert!(cluster.connection().await.is_err());
        }
    }
}
