//! What a file holds, and how it is written down.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use upstream_peers::{
    Excerpt, Labels, Overrides, Parameters, Peer, SocketAddress, Source, Target, Value, check_key,
    parse_server,
};

use crate::{
    error::{MAX_LENGTH, StateError},
    first_line,
};

/// An upstream's peers as they were published, and where and when etcd had them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedState {
    /// The name of the cluster in nginx's configuration.
    pub cluster: String,
    /// The prefix of the keys; ends with a slash.
    pub prefix: String,
    /// etcd's own id of the cluster.
    pub cluster_id: u64,
    /// The revision up to which every change was applied; at least 1.
    pub revision: i64,
    /// The peers. They are an [`Arc`] since who writes the file does so beside who goes on with
    /// them.
    pub peers: Arc<[Peer]>,
}

/// A state of other peers than those that are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("it is of the prefix {prefix} of the cluster {cluster}")]
pub struct OtherUpstream {
    /// The name of the cluster that the file is of.
    pub cluster: Excerpt,
    /// The prefix that the file is of.
    pub prefix: Excerpt,
}

/// The second line.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct UpstreamLine {
    cluster: String,
    prefix: String,
    /// In hexadecimal digits, as the log has it: many a reader of JSON takes numbers for floating
    /// ones.
    cluster_id: String,
    revision: i64,
}

/// Each further line.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PeerLine {
    key: String,
    /// Server and parameters, as one would write them into etcd.
    value: String,
    /// The socket address, which is another than the value's where that has a host name.
    address: String,
    create_revision: i64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    /// etcd's key, if the name of the peer, `key`, is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etcd_key: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    priority: i64,
    /// Whether it is `backup` for its priority alone.
    #[serde(default, skip_serializing_if = "is_default")]
    standby: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl SavedState {
    /// The state as a file has it.
    ///
    /// The first line is `etcd-upstream-peers VERSION crc32=CHECKSUM bytes=LENGTH`, of the version
    /// and all that follows the line. The second one is a JSON object with
    /// the upstream's `cluster`, `prefix`, `cluster_id` and `revision`, and each further one such
    /// an object with a peer's `key`, `value`, `address`, `create_revision` and, if it has some,
    /// `labels`, and what there is of its [`Source`]: `etcd_key`, `priority`, `standby` and
    /// `scheme`.
    ///
    /// # Errors
    ///
    /// [`StateError::TooLong`] if the text has more than [`MAX_LENGTH`] bytes.
    pub fn encode(&self) -> Result<Vec<u8>, StateError> {
        let upstream = UpstreamLine {
            cluster: self.cluster.clone(),
            prefix: self.prefix.clone(),
            cluster_id: format!("{:x}", self.cluster_id),
            revision: self.revision,
        };
        let mut rest = Vec::new();
        write_line(&mut rest, &upstream)?;
        for peer in self.peers.iter() {
            write_line(&mut rest, &PeerLine::of(peer))?;
        }
        let mut bytes = first_line::build(&rest).into_bytes();
        if bytes.len() + rest.len() > MAX_LENGTH {
            return Err(StateError::TooLong);
        }
        bytes.append(&mut rest);
        Ok(bytes)
    }

    /// Reads what [`encode`](Self::encode) has made.
    ///
    /// # Errors
    ///
    /// Everything else, with the reason. It never panics, whatever the bytes are.
    pub fn parse(bytes: &[u8]) -> Result<Self, StateError> {
        if bytes.len() > MAX_LENGTH {
            return Err(StateError::TooLong);
        }
        let rest = first_line::check(bytes)?;
        let malformed = |line: usize, reason: String| StateError::Malformed { line, reason };
        let malformed_json = |line: usize, error: serde_json::Error| {
            malformed(line, Excerpt::new(&error.to_string()).to_string())
        };
        let Some(rest) = rest.strip_suffix(b"\n") else {
            return Err(malformed(2, "there is none, or the last one has no end".to_owned()));
        };
        // The first line is the one that is off already.
        let mut lines = rest.split(|&byte| byte == b'\n').zip(2..);
        let (line, number) = lines.next().unwrap_or_default();
        let upstream: UpstreamLine =
            serde_json::from_slice(line).map_err(|error| malformed_json(number, error))?;
        let cluster_id = u64::from_str_radix(&upstream.cluster_id, 16)
            .map_err(|error| malformed(number, format!("\"cluster_id\": {error}")))?;
        if upstream.revision < 1 {
            return Err(malformed(number, "\"revision\" is not positive".to_owned()));
        }
        let peers = lines.map(|(line, number)| {
            let line: PeerLine =
                serde_json::from_slice(line).map_err(|error| malformed_json(number, error))?;
            line.peer().map_err(|reason| malformed(number, reason))
        });
        let peers = peers.collect::<Result<Vec<_>, _>>()?.into();
        let UpstreamLine { cluster, prefix, revision, .. } = upstream;
        Ok(Self { cluster, prefix, cluster_id, revision, peers })
    }

    /// That it is of this prefix of this cluster.
    ///
    /// # Errors
    ///
    /// [`OtherUpstream`] if it is of another cluster or prefix.
    pub fn check_for(&self, cluster: &str, prefix: &str) -> Result<(), OtherUpstream> {
        if self.cluster == cluster && self.prefix == prefix {
            return Ok(());
        }
        Err(OtherUpstream {
            cluster: Excerpt::new(&self.cluster),
            prefix: Excerpt::new(&self.prefix),
        })
    }
}

fn write_line(bytes: &mut Vec<u8>, line: &impl Serialize) -> Result<(), StateError> {
    // Nothing that is written here can fail: the types are numbers and strings, and memory takes
    // all.
    serde_json::to_writer(&mut *bytes, line)
        .map_err(|error| StateError::Malformed { line: 0, reason: error.to_string() })?;
    bytes.push(b'\n');
    if bytes.len() > MAX_LENGTH { Err(StateError::TooLong) } else { Ok(()) }
}

impl PeerLine {
    fn of(peer: &Peer) -> Self {
        let Source { key: etcd_key, priority, is_standby, scheme } = &peer.source;
        let overrides = Overrides { route: peer.route.clone(), ..Overrides::from(peer.parameters) };
        Self {
            key: peer.key.to_string(),
            value: format!("{}{overrides}", peer.server),
            address: peer.address.to_string(),
            create_revision: peer.create_revision,
            labels: peer.labels.pairs(),
            etcd_key: etcd_key.as_deref().map(str::to_owned),
            priority: *priority,
            standby: *is_standby,
            scheme: scheme.as_deref().map(str::to_owned),
        }
    }

    /// The peer, read as one of etcd's is.
    fn peer(self) -> Result<Peer, String> {
        let Self { key, value, address, create_revision, labels, .. } = self;
        let Self { etcd_key, priority, standby: is_standby, scheme, .. } = self;
        let value =
            parse_server(&key, value.as_bytes()).map_err(|error| format!("\"value\": {error}"))?;
        let address = match value.target.clone() {
            // The same once more, as nearly all lines have it.
            Target::Address(of_value) if of_value.text() == address => of_value,
            Target::Address(_) | Target::Name { .. } => socket_address(&key, &address)?,
        };
        if let Target::Address(of_value) = &value.target
            && *of_value != address
        {
            return Err("\"address\" is not that of \"value\"".to_owned());
        }
        if create_revision < 0 {
            return Err("\"create_revision\" is negative".to_owned());
        }
        if let Some(etcd_key) = &etcd_key {
            if etcd_key.len() <= key.len() || !etcd_key.starts_with(&key) {
                return Err("\"etcd_key\" does not begin with \"key\"".to_owned());
            }
            check_key(etcd_key).map_err(|error| format!("\"etcd_key\": {error}"))?;
        }
        let [etcd_key, scheme] = [etcd_key, scheme].map(|text| text.map(Arc::from));
        let source = Source { key: etcd_key, priority, is_standby, scheme };
        // A flag that is off has no word; everything else is written down.
        let parameters = value.overrides.apply(Parameters::default());
        let (key, server, route) = (key.into(), value.server.into(), value.overrides.route);
        let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels = Labels::of_pairs(labels);
        Ok(Peer { key, address, server, parameters, route, labels, create_revision, source })
    }
}

fn socket_address(key: &str, text: &str) -> Result<SocketAddress, String> {
    let Value { target, .. } =
        parse_server(key, text.as_bytes()).map_err(|error| format!("\"address\": {error}"))?;
    match target {
        // Nothing else than the address, and written as it is printed.
        Target::Address(address) if address.text() == text => Ok(address),
        Target::Address(_) | Target::Name { .. } => Err("\"address\" is none".to_owned()),
    }
}
