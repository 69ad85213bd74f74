//! What frameworks and their registries write.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    fields::{
        Context, Object, down, field, flag, get_or_null, metadata_weight, number, port_of,
        set_weight, string, string_of,
    },
    plain,
};
use crate::labels::{FoundLabels, NO_SCHEME};
use crate::parameters::Overrides;
use crate::parse::{
    key,
    url::{self, address},
};
use crate::value::{Value, ValueError, check_count};

/// go-kratos's `registry.ServiceInstance`: several URLs, of which the query says whether TLS is
/// used.
pub(super) fn kratos(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let value = get_or_null(object, "endpoints");
    let Json::Array(endpoints) = value else {
        return Err(field("endpoints", value, "a list of URLs"));
    };
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|endpoint| {
            let url = url::parse(string("endpoints", endpoint)?)?;
            let is_secure = url::query_pairs(url.query)
                .any(|(name, value)| name == "isSecure" && value == "true");
            let scheme = match url.scheme {
                "http" if is_secure => "https",
                "grpc" if is_secure => "grpcs",
                scheme => scheme,
            };
            Ok::<_, ValueError>((scheme.to_owned(), (url.server, url.target)))
        })
        .collect::<Result<_, _>>()?;
    let metadata = object.get("metadata");
    let weight = metadata_weight(metadata)?;
    let mut labels = FoundLabels::default();
    object.get("version").into_iter().for_each(|version| labels.add_json("version", version));
    labels.add_all(metadata);
    let overrides = Overrides { weight, ..Overrides::default() };
    let (scheme, endpoints) = context.wanted().of(endpoints)?;
    let server = |(server, target)| {
        let value = Value::new(server, target, overrides.clone());
        context.labelled(labels.clone(), Value { scheme: Some(Arc::clone(&scheme)), ..value })
    };
    check_count(endpoints.len())?;
    Ok(endpoints.into_iter().map(server).collect())
}

/// The `InstanceInfo` of Kitex and Hertz.
pub(super) fn kitex(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let (network, given) = (string_of(object, "network")?, string_of(object, "address")?);
    let (server, target) = if network == "unix" {
        address(&format!("unix:{given}"))?
    } else {
        key::check_network(network, context.reading)?;
        address(given)?
    };
    let weight = set_weight("weight", object.get("weight"))?;
    let mut labels = FoundLabels::default();
    labels.add_all(object.get("tags"));
    let overrides = Overrides { weight, ..Overrides::default() };
    Ok(vec![context.labelled(labels, Value::new(server, target, overrides))])
}

/// dubbo-go's `DefaultServiceInstance`. Its metadata may name the ports of several protocols.
pub(super) fn dubbo(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let is_off = [flag(object, "Enable")?, flag(object, "Healthy")?].contains(&Some(false));
    let metadata = object.get("Metadata");
    let of_protocols = metadata.and_then(|metadata| metadata.get("dubbo.endpoints"));
    let of_protocols = of_protocols.and_then(Json::as_str);
    let (scheme, port) = match (of_protocols, context.reading.scheme.is_some()) {
        (Some(endpoints), true) => port_of_protocol(endpoints, context)?,
        (Some(_), false) => (Some(NO_SCHEME.into()), port_of(object, "Port")?),
        (None, _) => (None, port_of(object, "Port")?),
    };
    let (server, target) = plain::host_and_port(string_of(object, "Host")?, Some(port))?;
    let weight = set_weight("Weight", object.get("Weight"))?;
    let mut labels = FoundLabels::default();
    for (name, field) in [("tag", "Tag"), ("group", "GroupName"), ("service", "ServiceName")] {
        object.get(field).into_iter().for_each(|value| labels.add_json(name, value));
    }
    labels.add_all(metadata);
    let overrides = Overrides { weight, ..down(is_off) };
    let value = Value { scheme, ..Value::new(server, target, overrides) };
    Ok(vec![context.labelled(labels, value)])
}

/// The port of the protocol that is wanted, of `[{"port":20000,"protocol":"dubbo"}]`.
fn port_of_protocol(
    endpoints: &str,
    context: &Context<'_>,
) -> Result<(Option<Arc<str>>, u16), ValueError> {
    let expected = "a list of objects with \"port\" and \"protocol\"";
    let wrong = || field("dubbo.endpoints", &Json::from(endpoints), expected);
    let endpoints: Vec<Object> = serde_json::from_str(endpoints).map_err(|_| wrong())?;
    let endpoints = endpoints.iter().map(|endpoint| {
        let protocol = endpoint.get("protocol").and_then(Json::as_str).ok_or_else(wrong)?;
        Ok::<_, ValueError>((protocol.to_owned(), port_of(endpoint, "port")?))
    });
    let (scheme, ports) = context.wanted().of(endpoints.collect::<Result<_, _>>()?)?;
    ports.first().map(|&port| (Some(scheme), port)).ok_or_else(wrong)
}

/// A member of Patroni's, where PostgreSQL listens. A replica with `noloadbalance` is not to be
/// used, as its REST API says.
pub(super) fn patroni(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let url = url::parse(string_of(object, "conn_url")?)?;
    let state = plain::optional(object, "state")?;
    let role = plain::optional(object, "role")?;
    let tags = object.get("tags");
    let has_no_load = match tags.and_then(Json::as_object) {
        Some(tags) => flag(tags, "noloadbalance")? == Some(true),
        None => false,
    };
    let mut labels = FoundLabels::default();
    for name in ["state", "version", "replication_state", "timeline"] {
        object.get(name).into_iter().for_each(|value| labels.add_json(name, value));
    }
    // Before version 4.0 the primary is called so.
    let role = if role == "master" { "primary" } else { role };
    if !role.is_empty() {
        labels.add_json("role", &Json::from(role));
    }
    labels.add_all(tags);
    let is_down = state != "running" || has_no_load && role == "replica";
    let value = Value::new(url.server, url.target, down(is_down));
    Ok(vec![context.labelled(labels, value)])
}

/// Scalingo's `service.Host`: its private address if it has one, and the port of a protocol.
pub(super) fn scalingo(object: &Object, context: &Context<'_>) -> Result<Vec<Value>, ValueError> {
    let private = plain::optional(object, "private_hostname")?;
    let (host, ports, name) = if private.is_empty() {
        (string_of(object, "name")?, get_or_null(object, "ports"), "ports")
    } else {
        let ports = object.get("private_ports");
        (private, ports.unwrap_or(get_or_null(object, "ports")), "private_ports")
    };
    let Json::Object(ports) = ports else {
        return Err(field(name, ports, "an object of ports"));
    };
    let ports = ports.iter().filter(|(_, port)| !port.is_null());
    let ports = ports.map(|(scheme, port)| (scheme.clone(), port)).collect();
    let mut labels = FoundLabels::default();
    object.get("service_name").into_iter().for_each(|name| labels.add_json("service", name));
    let (scheme, ports) = context.wanted().of(ports)?;
    let servers = ports.into_iter().map(|port| {
        let number = number(port).and_then(|port| u16::try_from(port).ok());
        let number = number.filter(|&number| number != 0);
        let number = number.ok_or_else(|| field("ports", port, "a number from 1 to 65535"))?;
        let (server, target) = plain::host_and_port(host, Some(number))?;
        let value = Value::new(server, target, Overrides::default());
        Ok(context.labelled(labels.clone(), Value { scheme: Some(Arc::clone(&scheme)), ..value }))
    });
    servers.collect()
}
