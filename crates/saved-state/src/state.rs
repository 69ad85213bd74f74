//! What a file of an upstream's peers holds, and how it is written down.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use upstream_peers::{
    Labels, Overrides, OwnParameters, Parameters, Peer, SocketAddress, Source, Target, Value,
    check_key, parse_server,
};

use crate::{
    error::StateError,
    first_line::PEERS,
    lines::{Head, Lines, OtherPrefix, Writer, malformed, malformed_json},
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
    /// The settings of groups, if these can have some.
    pub settings: Option<SavedSettings>,
}

/// The settings of an upstream's groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedSettings {
    /// The prefix of their keys; ends with a slash.
    pub prefix: String,
    /// The last good value of each group that has one.
    pub values: Arc<BTreeMap<Arc<str>, Arc<str>>>,
}

/// A line with the settings of a group.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SettingsLine<'s> {
    group: Cow<'s, str>,
    settings: Cow<'s, str>,
}

/// How such a line begins, and no other.
const SETTINGS_LINE: &[u8] = b"{\"group\":";

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
    /// `scheme`. If groups can have settings, the second line has their `settings_prefix`, and
    /// behind the peers there are objects with a `group` and its `settings`.
    ///
    /// # Errors
    ///
    /// [`StateError::TooLong`] if the text has more than [`MAX_LENGTH`] bytes.
    pub fn encode(&self) -> Result<Vec<u8>, StateError> {
        let mut writer = Writer::new(&Head {
            cluster: self.cluster.clone(),
            prefix: self.prefix.clone(),
            cluster_id: self.cluster_id,
            revision: self.revision,
            settings_prefix: self.settings.as_ref().map(|settings| settings.prefix.clone()),
        })?;
        for peer in self.peers.iter() {
            writer.add(&PeerLine::of(peer))?;
        }
        for (group, settings) in self.settings.iter().flat_map(|settings| settings.values.iter()) {
            let (group, settings) = (Cow::Borrowed(&**group), Cow::Borrowed(&**settings));
            writer.add(&SettingsLine { group, settings })?;
        }
        writer.finish(PEERS)
    }

    /// Reads what [`encode`](Self::encode) has made.
    ///
    /// # Errors
    ///
    /// Everything else, with the reason. It never panics, whatever the bytes are.
    pub fn parse(bytes: &[u8]) -> Result<Self, StateError> {
        let (head, lines) = Lines::read(PEERS, bytes)?;
        let (mut peers, mut values) = (Vec::new(), BTreeMap::new());
        for (line, number) in lines {
            if line.starts_with(SETTINGS_LINE) {
                let SettingsLine { group, settings } =
                    serde_json::from_slice(line).map_err(|error| malformed_json(number, &error))?;
                values.insert(group.into(), settings.into());
                continue;
            }
            let line: PeerLine =
                serde_json::from_slice(line).map_err(|error| malformed_json(number, &error))?;
            peers.push(line.peer().map_err(|reason| malformed(number, reason))?);
        }
        let peers = peers.into();
        let Head { cluster, prefix, cluster_id, revision, settings_prefix } = head;
        let values = Arc::new(values);
        let settings = settings_prefix.map(|prefix| SavedSettings { prefix, values });
        Ok(Self { cluster, prefix, cluster_id, revision, peers, settings })
    }

    /// That it is of this prefix of this cluster.
    ///
    /// # Errors
    ///
    /// [`OtherPrefix`] if it is of another cluster or prefix.
    pub fn check_for(&self, cluster: &str, prefix: &str) -> Result<(), OtherPrefix> {
        OtherPrefix::check((&self.cluster, &self.prefix), (cluster, prefix))
    }
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
        // What the value has set and what defaults have is not told apart.
        let own = OwnParameters::ALL;
        Ok(Peer { key, address, server, parameters, own, route, labels, create_revision, source })
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
