//! The module and the stock nginx side by side: the same peers in the same order, and the same
//! methods.

use std::collections::BTreeMap;

use harness::*;

/// An upstream, and the location of the same name that passes to it.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// Both names.
    pub name: &'a str,
    /// The method, as nginx has it; `round_robin` is nginx's without one.
    pub method: &'a str,
    /// Directives of the location.
    pub location: &'a str,
}

/// Routes of these methods, by name and method.
pub fn routes<'a>(methods: &[(&'a str, &'a str)]) -> Vec<Route<'a>> {
    methods.iter().map(|&(name, method)| Route { name, method, location: "" }).collect()
}

/// One nginx of each kind, one worker each, before the same nodes.
pub struct Beside {
    pub ours: Nginx,
    pub stock: Nginx,
    pub etcd: Etcd,
    /// Which peer has an address, by its number.
    numbers: BTreeMap<String, usize>,
}

/// What became of a request: the status, and the peers that were tried, by their numbers.
pub type Way = (u16, Vec<usize>);

/// How connections to peers are kept, with the directive of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// They are not.
    No,
    /// So many that none is closed.
    Yes,
}

impl Beside {
    /// Starts both, ours when etcd has all peers already. `peers` are addresses and the parameters
    /// of each.
    pub async fn start(
        peers: &[(String, &str)],
        routes: &[Route<'_>],
        kept: Kept,
        server: &str,
    ) -> Result<Self> {
        let etcd = Etcd::start().await?;
        let pairs = peers.iter().enumerate();
        let values = pairs
            .map(|(number, (address, words))| (peer_key(number), format!("{address} {words}")));
        let revision = etcd.put_all(values).await?;
        let servers: String =
            peers.iter().map(|(address, words)| format!("server {address} {words};")).collect();
        let mut ours = Configuration::firehose(&etcd).workers(1).server(server);
        let mut stock = Configuration::stock().workers(1).server(server);
        stock = stock.http(&format!("upstream {UPSTREAM} {{ {servers} }}"));
        for Route { name, method, location } in routes {
            let keepalive = if kept == Kept::Yes { "keepalive 64;" } else { "" };
            let of_stock =
                if *method == "round_robin" { String::new() } else { format!("{method};") };
            // nginx takes `backup` beside any method where the servers come first.
            stock = stock.http(&format!("upstream {name} {{ {servers} {of_stock} {keepalive} }}"));
            let keepalive = if kept == Kept::Yes { "etcd_keepalive 64;" } else { "" };
            ours = ours.http(&format!(
                "upstream {name} {{ etcd main {PREFIX} zone=1m; etcd_balance {method}; {keepalive} \
                 }}"
            ));
            let location = format!(
                "location /{name}/ {{
                    proxy_pass http://{name};
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_connect_timeout 5s;
                    add_header X-Tried $upstream_addr always;
                    {location}
                }}"
            );
            (ours, stock) = (ours.server(&location), stock.server(&location));
        }
        let (ours, stock) = tokio::try_join!(Nginx::start(ours), Nginx::start(stock))?;
        let numbers = peers
            .iter()
            .enumerate()
            .map(|(number, (address, _))| (address.clone(), number))
            .collect();
        let beside = Self { ours, stock, etcd, numbers };
        beside.applied(revision).await?;
        Ok(beside)
    }

    /// Waits until each upstream has applied a revision.
    pub async fn applied(&self, revision: i64) -> Result<()> {
        eventually(SOON, "all upstreams have the revision", async || {
            let upstreams = self.ours.status().await?.upstreams;
            let behind = upstreams.iter().find(|(_, upstream)| upstream.revision < revision);
            ensure!(
                behind.is_none(),
                "{:?} is at {:?}",
                behind.map(|(name, _)| name),
                behind.map(|(_, upstream)| (upstream.revision, upstream.zone))
            );
            Ok(())
        })
        .await
    }

    /// The way of an answered request.
    pub fn way(&self, answer: &Answer) -> Result<Way> {
        let tried =
            answer.header("x-tried").split(", ").filter_map(|address| self.numbers.get(address));
        Ok((answer.status, tried.copied().collect()))
    }

    /// Asks ours, by very many requests at a time.
    pub async fn ask_ours(&self, questions: &[Question]) -> Result<Vec<Way>> {
        pipelined(&self.ours.address(), questions)
            .await?
            .iter()
            .map(|answer| self.way(answer))
            .collect()
    }

    /// Asks both, as [`Beside::ask_ours`].
    pub async fn ask_at_once(&self, questions: &[Question]) -> Result<[Vec<Way>; 2]> {
        let (ours, stock) = (self.ours.address(), self.stock.address());
        let (ours, stock) =
            tokio::try_join!(pipelined(&ours, questions), pipelined(&stock, questions))?;
        let ways = |answers: Vec<Answer>| {
            answers.iter().map(|answer| self.way(answer)).collect::<Result<_>>()
        };
        Ok([ways(ours)?, ways(stock)?])
    }

    /// Asks both, each one question after the other on one connection.
    pub async fn ask_in_turn(&self, questions: &[Question]) -> Result<[Vec<Way>; 2]> {
        let (ours, stock) = tokio::try_join!(
            self.ask_one_in_turn(&self.ours, questions),
            self.ask_one_in_turn(&self.stock, questions)
        )?;
        Ok([ours, stock])
    }

    /// Asks one of both.
    pub async fn ask_one_in_turn(&self, nginx: &Nginx, questions: &[Question]) -> Result<Vec<Way>> {
        let (mut seen, mut connection) = (Vec::new(), nginx.connect().await?);
        for Question { path, header } in questions {
            let headers: Vec<_> =
                header.iter().map(|(name, value)| (*name, value.as_str())).collect();
            seen.push(self.way(&connection.get_with(path, &headers).await?)?);
        }
        Ok(seen)
    }
}

/// The key of a peer by its number: keys sort as the numbers do.
pub fn peer_key(number: usize) -> String {
    key(&format!("p{number:03}"))
}
