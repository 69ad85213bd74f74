//! Forms that have the address, or what the value means, in the key.

use super::url::{self, WHITE_SPACE};
use crate::address::Target;
use crate::excerpt::Excerpt;
use crate::key_name::last_segment;
use crate::labels::{FoundLabels, Reading};
use crate::parameters::{Overrides, is_number_text};
use crate::value::{KeyContent, Value, ValueError};

/// Traefik's keys, as far as their values are not an address as well: `NAME/url`, and beside it
/// `NAME/weight` and others.
pub(super) fn traefik<'k>(key: &'k str, text: &str) -> Option<Result<KeyContent<'k>, ValueError>> {
    let (name, last) = key.rsplit_once('/').filter(|(name, _)| !name.is_empty())?;
    let is_flag = matches!(text, "true" | "false");
    let weight = match last {
        "url" => return url_of_traefik(name, text),
        "weight" if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            let mut overrides = Overrides::default();
            if let Err(error) = overrides.set_word(&format!("weight={text}")) {
                return Some(Err(error.into()));
            }
            overrides.weight
        }
        "preservePath" | "fenced" | "tls" if is_flag => None,
        "scheme" if matches!(text, "http" | "https" | "h2c") => None,
        _ => return None,
    };
    Some(Ok(KeyContent::Setting { of: name, weight }))
}

fn url_of_traefik<'k>(name: &'k str, text: &str) -> Option<Result<KeyContent<'k>, ValueError>> {
    let (scheme, _) = url::split_scheme(text)?;
    if !matches!(scheme, "http" | "https" | "h2c") || text.contains(WHITE_SPACE) {
        return None;
    }
    let value =
        url::parse(text).map(|url| Value::new(url.server, url.target, Overrides::default()));
    let content = value.map(|value| KeyContent::Servers { name, values: vec![value] });
    Some(content.map_err(ValueError::from))
}

/// The addresses in the key's last path segment, separated by commas: nginx-upsync's, or those of a
/// service of GoFrame's. Each must have its port: otherwise nearly any key could be taken for a
/// host name.
pub(super) fn servers(key: &str) -> Option<Vec<Value>> {
    let server = |server: &str| {
        let target = Target::parse_with_port(server)?;
        Some(Value::new(server, target, Overrides::default()))
    };
    last_segment(key).split(',').map(server).collect()
}

/// rpcx's: the network and the address in the key, and the metadata as a query.
pub(super) fn rpcx(key: &str, text: &str, reading: &Reading) -> Option<Result<Value, ValueError>> {
    let (network, server) = last_segment(key).split_once('@')?;
    if network.is_empty() || !network.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    // No address has a `=` in its first word but a unix socket's.
    let is_query = text.contains('=') && !text.contains(WHITE_SPACE);
    if !text.is_empty() && (!is_query || text.to_ascii_lowercase().starts_with("unix:")) {
        return None;
    }
    let target = Target::parse_with_port(server)?;
    Some(check_network(network, reading).and_then(|()| {
        let (overrides, labels) = query(text)?;
        let labels = labels.keep(reading);
        Ok(Value { labels, ..Value::new(server, target, overrides) })
    }))
}

/// That nginx can connect there, or in stream send datagrams there. What has a protocol of its own
/// over UDP, such as `quic`, is often there for a second time over TCP, and is not meant.
pub(super) fn check_network(network: &str, reading: &Reading) -> Result<(), ValueError> {
    let expected = match network {
        "tcp" | "tcp4" | "tcp6" | "http" | "ws" | "wss" => return Ok(()),
        "udp" | "udp4" | "udp6" if reading.is_stream => return Ok(()),
        _ if reading.is_stream => "\"tcp\", \"udp\", \"http\" or \"ws\"",
        _ => "\"tcp\", \"http\" or \"ws\"",
    };
    Err(ValueError::Field { field: "network", value: Excerpt::new(network), expected })
}

/// What rpcx measures, and writes again and again: no label of a peer.
const MEASURED: [&str; 3] = ["calls", "connections", "tps"];

/// The parameters and labels of a query.
fn query(text: &str) -> Result<(Overrides, FoundLabels), ValueError> {
    let (mut overrides, mut labels) = (Overrides::default(), FoundLabels::default());
    for (name, value) in url::query_pairs(text) {
        let is_weight = name == "weight" && is_number_text(&value);
        match (name.as_str(), value.as_str()) {
            (_, weight) if is_weight => overrides.set_word(&format!("weight={weight}"))?,
            ("state", "inactive") | ("disabled", "true") | ("enabled", "false") => {
                overrides.down = Some(true);
            }
            _ => {}
        }
        if !is_weight && !MEASURED.contains(&name.as_str()) {
            labels.add(&name, value);
        }
    }
    Ok((overrides, labels))
}

/// dubbo-go's registry of interfaces: the key's last path segment is the encoded URL of a provider.
pub(super) fn dubbo(key: &str, reading: &Reading) -> Result<Value, ValueError> {
    let decoded = url::decode(last_segment(key));
    let url = url::parse(&decoded)?;
    if matches!(url.scheme, "consumer" | "override" | "absent" | "route" | "condition") {
        return Err(ValueError::NotAProvider(Excerpt::new(url.scheme)));
    }
    let (overrides, labels) = query(url.query)?;
    let labels = labels.keep(reading);
    Ok(Value { labels, ..Value::new(url.server, url.target, overrides) })
}
