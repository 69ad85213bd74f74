//! Values that are JSON objects.

use serde_json::{Map, Value as Json};

use crate::address::{DEFAULT_PORT, Target};
use crate::excerpt::Excerpt;
use crate::parameters::{MAX_WEIGHT, Overrides};
use crate::value::{Value, ValueError, address_in_key};

type Object = Map<String, Json>;

pub(super) fn parse(key: &str, text: &str) -> Result<Value, ValueError> {
    // Nesting is bounded by the parser itself.
    let object: Object = serde_json::from_str(text).map_err(malformed)?;
    if let Some(address) = object.get("addr") {
        own(address, &object)
    } else if let Some(address) = object.get("Addr") {
        grpc(address, &object)
    } else if let Some(host) = object.get("host") {
        skydns(host, &object)
    } else {
        upsync(key, &object)
    }
}

fn malformed(error: serde_json::Error) -> ValueError {
    ValueError::Json(Excerpt::new(&error.to_string()).into_text())
}

/// `addr`, and nginx's parameters. Nobody else writes this form, so that an unknown field is a
/// mistake.
fn own(address: &Json, object: &Object) -> Result<Value, ValueError> {
    let server = string("addr", address)?;
    let target = Target::parse(server)?;
    let mut overrides = Overrides::default();
    for (name, value) in object.iter().filter(|(name, _)| *name != "addr") {
        if !overrides.set_json(name, value)? {
            return Err(ValueError::UnknownField(Excerpt::new(name)));
        }
    }
    Ok(Value { server: server.to_owned(), target, overrides })
}

/// gRPC's naming in etcd (`naming.Update` and `endpoints.Update` of etcd's Go client).
fn grpc(address: &Json, object: &Object) -> Result<Value, ValueError> {
    match object.get("Op").map(|operation| (number(operation), operation)) {
        None | Some((Some(0), _)) => {}
        Some((Some(1), _)) => return Err(ValueError::Deleted),
        Some((_, operation)) => return Err(field("Op", operation, "0 or 1")),
    }
    let server = string("Addr", address)?;
    let target = Target::parse(server)?;
    let mut overrides = match object.get("Metadata") {
        Some(Json::Object(metadata)) => known(metadata)?,
        _ => Overrides::default(),
    };
    // A Go program writes 0 for a weight that it has not set.
    overrides.weight = overrides.weight.filter(|&weight| weight != 0);
    Ok(Value { server: server.to_owned(), target, overrides })
}

/// SkyDNS's `msg.Service`, which CoreDNS's plugin etcd reads too. A weight or a port of 0 means
/// that it is not set.
fn skydns(host: &Json, object: &Object) -> Result<Value, ValueError> {
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
    let host = string("host", host)?;
    // The port is a field of its own, and the host is never in brackets.
    let target = match host.parse() {
        Ok(address) => Target::ip(address, port.unwrap_or(DEFAULT_PORT)),
        Err(_) => Target::host(host, port.unwrap_or(DEFAULT_PORT))?,
    };
    // No name has a colon.
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let server = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    Ok(Value { server, target, overrides: Overrides { weight, ..Overrides::default() } })
}

/// nginx-upsync's, which ignores fields that it does not know.
fn upsync(key: &str, object: &Object) -> Result<Value, ValueError> {
    let (server, target) = address_in_key(key).ok_or(ValueError::NoAddress)?;
    Ok(Value { server: server.to_owned(), target, overrides: known(object)? })
}

/// The parameters among the fields.
fn known(object: &Object) -> Result<Overrides, ValueError> {
    let mut overrides = Overrides::default();
    for (name, value) in object {
        overrides.set_json(name, value)?;
    }
    Ok(overrides)
}

fn string<'j>(name: &'static str, value: &'j Json) -> Result<&'j str, ValueError> {
    value.as_str().ok_or_else(|| field(name, value, "a string"))
}

/// A whole number, or a string of its digits.
fn number(value: &Json) -> Option<u32> {
    match value {
        Json::Number(number) => u32::try_from(number.as_u64()?).ok(),
        Json::String(digits) => nginx_syntax::number(digits),
        _ => None,
    }
}

fn field(field: &'static str, value: &Json, expected: &'static str) -> ValueError {
    let value = match value {
        Json::String(text) => Excerpt::new(text),
        value => Excerpt::new(&value.to_string()),
    };
    ValueError::Field { field, value, expected }
}
