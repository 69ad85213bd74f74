//! What other proxies read from etcd, and go-micro's services, which have `nodes` as well.

use serde_json::Value as Json;

use super::{
    fields::{Context, Object, field, get, get_or_null, number, port_of, string, string_of},
    plain,
};
use crate::address::{DEFAULT_PORT, Target};
use crate::labels::FoundLabels;
use crate::parameters::{MAX_WEIGHT, Overrides};
use crate::parse::url::{self, address};
use crate::value::{Value, ValueError, check_count};

/// What a list of nodes may be.
const NODES: &str = "a list of objects with \"address\", or with \"host\" and \"port\", or an \
object of addresses with weights";

/// `nodes` of go-micro, a list of objects with `address`; or of APISIX, a list of objects with
/// `host`, or an object with addresses and weights.
pub(super) fn nodes(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let nodes = get_or_null(object, "nodes");
    let count = match nodes {
        Json::Array(nodes) => nodes.len(),
        Json::Object(nodes) => nodes.len(),
        _ => 0,
    };
    check_count(count)?;
    match nodes {
        Json::Array(nodes) if !nodes.is_empty() => {
            nodes.iter().map(|node| self::node(object, node, context)).collect()
        }
        Json::Object(nodes) if !nodes.is_empty() => {
            let nodes = nodes.iter();
            nodes.map(|(server, weight)| weighted(object, server, weight, context)).collect()
        }
        nodes => Err(field("nodes", nodes, NODES)),
    }
}

fn node(object: &Object, node: &Json, context: &Context<'_>) -> Result<Value, ValueError> {
    let Json::Object(fields) = node else { return Err(field("nodes", node, NODES)) };
    match (get(fields, "address"), get(fields, "host")) {
        (Some(address), _) => go_micro(object, fields, address, context),
        (None, Some(host)) => apisix(object, fields, string("host", host)?, context),
        (None, None) => Err(field("nodes", node, NODES)),
    }
}

/// A node of a go-micro service.
fn go_micro(
    service: &Object,
    node: &Object,
    given: &Json,
    context: &Context<'_>,
) -> Result<Value, ValueError> {
    let (server, target) = address(string("address", given)?)?;
    let mut labels = FoundLabels::default();
    labels.add_all(node.get("metadata"));
    service.get("version").into_iter().for_each(|version| labels.add_json("version", version));
    labels.add_all(service.get("metadata"));
    Ok(context.labelled(labels, Value::new(server, target, Overrides::default())))
}

/// A node of APISIX's with fields. Those with a lower priority serve if no other can.
fn apisix(
    upstream: &Object,
    node: &Object,
    host: &str,
    context: &Context<'_>,
) -> Result<Value, ValueError> {
    let port = match get(node, "port") {
        Some(_) => Some(port_of(node, "port")?),
        None => apisix_port(upstream, context),
    };
    let (server, target) = plain::host_and_port(host.trim_matches(['[', ']']), port)?;
    let priority = match get(node, "priority") {
        None => 0,
        Some(priority) => priority
            .as_i64()
            .or_else(|| priority.as_str()?.parse().ok())
            .filter(|priority| i32::try_from(*priority).is_ok())
            .ok_or_else(|| field("priority", priority, "a whole number"))?,
    };
    let overrides = apisix_weight(get(node, "weight"))?;
    let mut labels = FoundLabels::default();
    labels.add_all(node.get("metadata"));
    labels.add_all(upstream.get("labels"));
    let value = Value { priority: -priority, ..Value::new(server, target, overrides) };
    Ok(context.labelled(labels, value))
}

/// An address and its weight.
fn weighted(
    upstream: &Object,
    server: &str,
    weight: &Json,
    context: &Context<'_>,
) -> Result<Value, ValueError> {
    let (server, target) = Target::parse_with_default(server, apisix_port(upstream, context))?;
    let overrides = apisix_weight(Some(weight).filter(|weight| !weight.is_null()))?;
    let mut labels = FoundLabels::default();
    labels.add_all(upstream.get("labels"));
    Ok(context.labelled(labels, Value::new(server, target, overrides)))
}

/// The port of a node without one; `None` if it must have one.
fn apisix_port(upstream: &Object, context: &Context<'_>) -> Option<u16> {
    match upstream.get("scheme").and_then(Json::as_str) {
        Some("https" | "grpcs") => Some(443),
        None if context.reading.is_stream => None,
        _ => Some(DEFAULT_PORT),
    }
}

/// The weight, of which 0 is one as well.
fn apisix_weight(weight: Option<&Json>) -> Result<Overrides, ValueError> {
    let weight = weight.map(|value| {
        let weight = number(value).filter(|&weight| weight <= MAX_WEIGHT);
        weight.ok_or_else(|| field("weight", value, "a number from 0 to 65535"))
    });
    Ok(Overrides { weight: weight.transpose()?, ..Overrides::default() })
}

/// A server of vulcand's.
pub(super) fn vulcand(object: &Object, _: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let url = url::parse(string_of(object, "URL")?)?;
    Ok(vec![Value::new(url.server, url.target, Overrides::default())])
}
