//! Forms of one address: this project's own, gRPC's, SkyDNS's, and those with the address in the
//! key.

use serde_json::Value as Json;

use super::fields::{
    Context, Object, down, field, metadata, number, set_weight, string, string_of,
};
use crate::address::{DEFAULT_PORT, Target};
use crate::excerpt::Excerpt;
use crate::form::SKYDNS_PRIORITY;
use crate::labels::FoundLabels;
use crate::parameters::{MAX_WEIGHT, Overrides};
use crate::parse::{key, url::address};
use crate::value::{Value, ValueError};

/// `addr`, nginx's parameters, and `labels`. Nobody else writes this form, so that an unknown field
/// is a mistake.
pub(super) fn own(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let (server, target) = address(string_of(object, "addr")?)?;
    let mut overrides = Overrides::default();
    for (name, value) in object.iter().filter(|(name, _)| !["addr", "labels"].contains(&&***name)) {
        if !overrides.set_json(name, value)? {
            return Err(ValueError::UnknownField(Excerpt::new(name)));
        }
    }
    let mut labels = FoundLabels::default();
    match object.get("labels") {
        None => {}
        Some(Json::Object(_)) => labels.add_all(object.get("labels")),
        Some(other) => return Err(field("labels", other, "an object")),
    }
    Ok(vec![context.labelled(labels, Value::new(server, target, overrides))])
}

/// gRPC's naming in etcd (`naming.Update` and `endpoints.Update` of etcd's Go client).
pub(super) fn grpc(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    match object.get("Op").map(|operation| (number(operation), operation)) {
        None | Some((Some(0), _)) => {}
        Some((Some(1), _)) => return Err(ValueError::Deleted),
        Some((_, operation)) => return Err(field("Op", operation, "0 or 1")),
    }
    let (server, target) = address(string_of(object, "Addr")?)?;
    let (mut overrides, labels) = match object.get("Metadata") {
        Some(Json::Object(fields)) => metadata(fields)?,
        _ => (Overrides::default(), FoundLabels::default()),
    };
    // A Go program writes 0 for a weight that it has not set.
    overrides.weight = overrides.weight.filter(|&weight| weight != 0);
    Ok(vec![context.labelled(labels, Value::new(server, target, overrides))])
}

/// SkyDNS's `msg.Service`, which CoreDNS's plugin etcd reads too; DolphinScheduler's heartbeat has
/// `serverStatus` beside. A weight or a port of 0 means that it is not set.
pub(super) fn skydns(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let in_range = |name, max: u32, expected| match object.get(name) {
        None => Ok(None),
        Some(value) => match number(value).filter(|&number| number <= max) {
            Some(number) => Ok(Some(number).filter(|&number| number != 0)),
            None => Err(field(name, value, expected)),
        },
    };
    let port = in_range("port", u32::from(u16::MAX), "a number from 0 to 65535")?;
    let weight = in_range("weight", MAX_WEIGHT, "a number from 0 to 65535")?;
    let port = port.and_then(|port| u16::try_from(port).ok());
    let (server, target) = host_and_port(string_of(object, "host")?, port)?;
    let mut labels = FoundLabels::default();
    let (overrides, priority) = if object.contains_key("serverStatus") {
        (dolphin_scheduler(object, &mut labels)?, 0)
    } else {
        object.get("group").into_iter().for_each(|group| labels.add_json("group", group));
        let priority = in_range("priority", u32::from(u16::MAX), "a number from 0 to 65535")?;
        let overrides = Overrides { weight, ..Overrides::default() };
        (overrides, priority.map_or(0, |priority| i64::from(priority) - SKYDNS_PRIORITY))
    };
    let value = Value { priority, ..Value::new(server, target, overrides) };
    Ok(vec![context.labelled(labels, value)])
}

/// A server whose port is a field of its own, so that its host is never in brackets.
pub(super) fn host_and_port(host: &str, port: Option<u16>) -> Result<(String, Target), ValueError> {
    let target = match host.parse() {
        Ok(address) => Target::ip(address, port.unwrap_or(DEFAULT_PORT)),
        Err(_) => Target::host(host, port.unwrap_or(DEFAULT_PORT))?,
    };
    // No name has a colon.
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let server = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    target.check_name(&server)?;
    Ok((server, target))
}

/// The parameters and labels of DolphinScheduler's heartbeat: 0 or `NORMAL` is a server that may be
/// used.
fn dolphin_scheduler(object: &Object, labels: &mut FoundLabels) -> Result<Overrides, ValueError> {
    let is_normal = match object.get("serverStatus") {
        Some(Json::String(status)) => status.eq_ignore_ascii_case("NORMAL"),
        Some(status) => status.as_i64() == Some(0),
        None => true,
    };
    for name in ["workerGroup", "serverStatus"] {
        object.get(name).into_iter().for_each(|value| labels.add_json(name, value));
    }
    let weight = set_weight("workerHostWeight", object.get("workerHostWeight"))?;
    Ok(Overrides { weight, ..down(!is_normal) })
}

/// Addresses in the key: nginx-upsync's parameters, with anything else as labels, which are
/// GoFrame's metadata; or DolphinScheduler's heartbeat.
pub(super) fn in_key(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let servers = key::servers(context.key).ok_or(ValueError::NoAddress)?;
    let (overrides, labels) = if object.contains_key("serverStatus") {
        let mut labels = FoundLabels::default();
        (dolphin_scheduler(object, &mut labels)?, labels)
    } else {
        metadata(object)?
    };
    let with =
        |server| context.labelled(labels.clone(), Value { overrides: overrides.clone(), ..server });
    Ok(servers.into_iter().map(with).collect())
}

/// The text of a field, if it has one.
pub(super) fn optional<'j>(object: &'j Object, name: &'static str) -> Result<&'j str, ValueError> {
    object.get(name).map_or(Ok(""), |value| string(name, value))
}
