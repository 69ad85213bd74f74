//! Log servers that are named, and not given by their address, or have a socket that must be there.
//!
//! nginx would ask for the address itself as it reads its configuration, for as long as the name
//! servers let it wait, and refuse the whole configuration where there is none; where a socket is
//! missing it would complain with each line. A log server is not worth that: its name is resolved
//! here, beside everything else, and nginx is told the address once there is one.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    io,
    net::IpAddr,
    os::unix::net::UnixDatagram,
    time::Duration,
};

use retry_backoff::Backoff;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

/// How long after a failure a name is asked for again, at first; then twice as long each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// How long at most.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How the name of a unix socket begins.
const UNIX: &str = "unix:";

/// Where a log server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogAddress {
    At(IpAddr),
    /// At its socket.
    Socket,
}

/// Where it is, or why that is not known.
type Answer = Result<LogAddress, String>;

/// The names in use, with what is known of each.
pub(crate) struct LogServers {
    names: BTreeMap<String, Name>,
    sender: UnboundedSender<(String, Answer)>,
    answers: UnboundedReceiver<(String, Answer)>,
}

struct Name {
    /// The last address that it had.
    address: Option<LogAddress>,
    /// Why it has none, as it was last said.
    failure: Option<String>,
    /// Whether there was an answer since it was asked for.
    is_answered: bool,
    asking: JoinHandle<()>,
}

impl Drop for Name {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl LogServers {
    /// None yet.
    pub(crate) fn new() -> Self {
        let (sender, answers) = unbounded_channel();
        Self { names: BTreeMap::new(), sender, answers }
    }

    /// From now on these are in use, and no others.
    pub(crate) fn want(&mut self, names: &BTreeSet<String>) {
        self.names.retain(|name, _| names.contains(name));
        for name in
            names.iter().filter(|name| !self.names.contains_key(*name)).cloned().collect::<Vec<_>>()
        {
            let asking = self.ask(&name);
            self.names
                .insert(name, Name { address: None, failure: None, is_answered: false, asking });
        }
    }

    /// Asks for all of them again. They keep their addresses meanwhile.
    pub(crate) fn refresh(&mut self) {
        let names: Vec<String> = self.names.keys().cloned().collect();
        for name in names {
            let asking = self.ask(&name);
            if let Some(known) = self.names.get_mut(&name) {
                std::mem::replace(&mut known.asking, asking).abort();
                known.is_answered = false;
            }
        }
    }

    fn ask(&self, name: &str) -> JoinHandle<()> {
        tokio::spawn(ask(name.to_owned(), self.sender.clone(), resolve))
    }

    /// The address of a name that is in use.
    pub(crate) fn address(&self, name: &str) -> Option<LogAddress> {
        self.names.get(name)?.address
    }

    /// What is wrong with a name that has no address.
    pub(crate) fn failure(&self, name: &str) -> String {
        let failure = self.names.get(name).and_then(|name| name.failure.as_deref());
        if name.starts_with(UNIX) {
            format!("no process listens at \"{name}\" ({})", failure.unwrap_or("not tried yet"))
        } else {
            format!(
                "\"{name}\" cannot be resolved ({})",
                failure.unwrap_or("no response from the name servers yet")
            )
        }
    }

    /// Waits until each has an answer, at most until `end`.
    pub(crate) async fn settle(&mut self, end: Instant) {
        while self.names.values().any(|name| !name.is_answered) {
            // To drop it is safe: an answer that was not received waits in the channel.
            let Ok(Some(answer)) = timeout_at(end, self.answers.recv()).await else { return };
            self.store_answer(answer);
        }
    }

    /// Waits until a name has another address than before. May be dropped: an answer that was not
    /// received waits in the channel.
    pub(crate) async fn changed(&mut self) {
        loop {
            // Not reached: there is a sender here.
            let Some(answer) = self.answers.recv().await else { std::future::pending().await };
            if self.store_answer(answer) {
                return;
            }
        }
    }

    /// Takes an answer. Says whether the name has another address now.
    fn store_answer(&mut self, (name, answer): (String, Answer)) -> bool {
        let Some(known) = self.names.get_mut(&name) else { return false };
        known.is_answered = true;
        match answer {
            Ok(address) => known.address.replace(address) != Some(address),
            Err(failure) => {
                known.failure = Some(failure);
                false
            }
        }
    }
}

/// Asks until there is an address.
async fn ask<F: Future<Output = io::Result<LogAddress>>>(
    name: String,
    answers: UnboundedSender<(String, Answer)>,
    resolve: impl Fn(String) -> F,
) {
    let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
    loop {
        let answer = resolve(name.clone()).await.map_err(|error| error.to_string());
        let is_good = answer.is_ok();
        if answers.send((name.clone(), answer)).is_err() || is_good {
            return;
        }
        sleep(backoff.next_wait()).await;
    }
}

/// Asks as nginx would, in a thread of its own; or connects to a socket, which does not wait.
async fn resolve(name: String) -> io::Result<LogAddress> {
    if let Some(path) = name.strip_prefix(UNIX) {
        return UnixDatagram::unbound()?.connect(path).map(|()| LogAddress::Socket);
    }
    let mut addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
    addresses
        .next()
        .map(|address| LogAddress::At(address.ip()))
        .ok_or_else(|| io::Error::other("it has no address"))
}

/// The host of a log server that has to be resolved, and what stands behind it; `None` where it is
/// an address. Of a unix socket it is all.
fn split(server: &str) -> Option<(&str, &str)> {
    if server.starts_with(UNIX) {
        return Some((server, ""));
    }
    if server.starts_with('[') {
        return None;
    }
    let (host, port) = server.split_at(server.find(':').unwrap_or(server.len()));
    (!host.is_empty() && host.parse::<IpAddr>().is_err()).then_some((host, port))
}

/// The name in `HOST[:PORT]`, if it is one that has to be resolved.
pub(crate) fn name_of(server: &str) -> Option<&str> {
    split(server).map(|(name, _)| name)
}

/// `HOST[:PORT]` as nginx need not resolve it; `None` where that is not known.
pub(crate) fn located(
    server: &str,
    address: impl Fn(&str) -> Option<LogAddress>,
) -> Option<String> {
    let Some((name, port)) = split(server) else { return Some(server.to_owned()) };
    Some(match address(name)? {
        LogAddress::At(IpAddr::V4(address)) => format!("{address}{port}"),
        LogAddress::At(IpAddr::V6(address)) => format!("[{address}]{port}"),
        LogAddress::Socket => server.to_owned(),
    })
}

/// The server in a log's parameters: `syslog:server=HOST[:PORT],...`.
pub(crate) fn server_of(log: &str) -> Option<&str> {
    log.strip_prefix("syslog:")?.split(',').find_map(|parameter| parameter.strip_prefix("server="))
}

/// Those parameters with another server.
pub(crate) fn with_server(log: &str, server: &str) -> String {
    match server_of(log) {
        Some(before) => log.replacen(&format!("server={before}"), &format!("server={server}"), 1),
        None => log.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        io,
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use tokio::time::Instant;

    use super::{LogAddress, LogServers, ask, located, name_of, server_of, with_server};

    #[test]
    fn what_has_to_be_resolved() {
        for (server, name) in [
            ("logs.internal", Some("logs.internal")),
            ("logs.internal:514", Some("logs.internal")),
            ("10.0.0.1:514", None),
            ("[::1]:514", None),
            ("unix:/dev/log", Some("unix:/dev/log")),
        ] {
            assert_eq!(name_of(server), name, "{server}");
        }
        let v4 = |_: &str| Some(LogAddress::At(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let v6 = |_: &str| Some(LogAddress::At(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert_eq!(located("logs:514", v4).as_deref(), Some("127.0.0.1:514"));
        assert_eq!(located("logs", v6).as_deref(), Some("[::1]"));
        assert_eq!(
            located("unix:/dev/log", |_| Some(LogAddress::Socket)).as_deref(),
            Some("unix:/dev/log")
        );
        assert_eq!(located("logs", |_| None), None);
        let log = "syslog:nohostname,server=logs:514,tag=a";
        assert_eq!(server_of(log), Some("logs:514"));
        assert_eq!(with_server(log, "10.0.0.1:514"), "syslog:nohostname,server=10.0.0.1:514,tag=a");
        assert_eq!(server_of("/var/log/nginx/access.log"), None);
    }

    #[tokio::test]
    async fn a_name_is_asked_for_until_it_has_an_address() {
        let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let resolve = move |_| {
            let count = counter.fetch_add(1, Ordering::Relaxed);
            async move {
                if count == 0 {
                    Err(io::Error::other("not yet"))
                } else {
                    Ok(LogAddress::At(IpAddr::V4(Ipv4Addr::LOCALHOST)))
                }
            }
        };
        ask("logs".to_owned(), sender, resolve).await;
        assert_eq!(answers.recv().await, Some(("logs".to_owned(), Err("not yet".to_owned()))));
        assert_eq!(
            answers.recv().await,
            Some(("logs".to_owned(), Ok(LogAddress::At(IpAddr::V4(Ipv4Addr::LOCALHOST)))))
        );
        assert_eq!(answers.recv().await, None);
    }

    #[tokio::test]
    async fn a_silent_name_server_is_waited_for_no_longer_than_said() {
        let mut servers = LogServers::new();
        let asking = tokio::spawn(std::future::pending());
        let silent = super::Name { address: None, failure: None, is_answered: false, asking };
        servers.names.insert("logs".to_owned(), silent);
        servers.settle(Instant::now() + Duration::from_millis(10)).await;
        assert_eq!(servers.address("logs"), None);
        servers.want(&BTreeSet::new());
        assert!(servers.names.is_empty());
    }
}
