//! Values that are JSON objects.

mod fields;
mod plain;
mod proxies;
mod registries;

use crate::excerpt::Excerpt;
use crate::form::ValueForm;
use crate::labels::Reading;
use crate::value::{MAX_VALUE_LENGTH, Value, ValueError};
use fields::{Context, Object};

/// A form, and the fields by which it is known: an object with all of them is of this form, if it
/// is of none before it.
struct Form {
    fields: &'static [&'static str],
    read: fn(&Object, &Context<'_>) -> Result<Vec<Value>, ValueError>,
    /// Whether it has metadata or several addresses, so that it may be long.
    is_long: bool,
    /// What it is called.
    name: ValueForm,
}

const fn form(
    fields: &'static [&'static str],
    read: fn(&Object, &Context<'_>) -> Result<Vec<Value>, ValueError>,
    name: ValueForm,
) -> Form {
    Form { fields, read, is_long: true, name }
}

/// The forms, in the order in which they are tried. The last one has no field that it must have.
const FORMS: [Form; 12] = [
    Form { is_long: false, ..form(&["addr"], plain::own, ValueForm::Own) },
    // gRPC's naming in etcd.
    form(&["Addr"], plain::grpc, ValueForm::Grpc),
    // SkyDNS's, CoreDNS's, DolphinScheduler's.
    form(&["host"], plain::skydns, ValueForm::SkyDns),
    // DolphinScheduler's, older: the address is in the key.
    form(&["serverStatus"], plain::in_key, ValueForm::DolphinScheduler),
    // dubbo-go's registry of applications.
    form(&["Host", "Port"], registries::dubbo, ValueForm::Dubbo),
    // go-micro's, and the upstreams of APISIX.
    form(&["nodes"], proxies::nodes, ValueForm::Nodes),
    // go-kratos's.
    form(&["endpoints"], registries::kratos, ValueForm::Kratos),
    // Kitex's and Hertz's.
    form(&["network", "address"], registries::kitex, ValueForm::Kitex),
    // vulcand's.
    form(&["URL"], proxies::vulcand, ValueForm::Vulcand),
    // Patroni's.
    form(&["conn_url"], registries::patroni, ValueForm::Patroni),
    // Scalingo's.
    form(&["name", "ports"], registries::scalingo, ValueForm::Scalingo),
    // nginx-upsync's, and GoFrame's: the address is in the key.
    form(&[], plain::in_key, ValueForm::AddressInKey),
];

pub(super) fn parse(
    key: &str,
    text: &str,
    length: usize,
    reading: &Reading,
) -> Result<Vec<Value>, ValueError> {
    // Nesting is bounded by the parser itself.
    let mut object: Object = serde_json::from_str(text).map_err(malformed)?;
    let form = form_of(&object).ok_or(ValueError::NoAddress)?;
    // Writers whose fields are optional write null for one that is not set.
    object.retain(|_, value| !value.is_null());
    if length > MAX_VALUE_LENGTH && !form.is_long {
        return Err(ValueError::ValueTooLong { length, most: MAX_VALUE_LENGTH });
    }
    (form.read)(&object, &Context { key, reading })
}

/// What the form of a text is called, if it is an object.
pub(super) fn name_of(text: &str) -> Option<ValueForm> {
    let object: Object = serde_json::from_str(text).ok()?;
    let name = form_of(&object)?.name;
    let is_heartbeat = name == ValueForm::SkyDns
        && object.get("serverStatus").is_some_and(|value| !value.is_null());
    Some(if is_heartbeat { ValueForm::DolphinScheduler } else { name })
}

/// The form of an object. A field that is null counts only where no other form is recognized.
fn form_of(object: &Object) -> Option<&'static Form> {
    let of = |has: &dyn Fn(&str) -> bool| {
        let mut named = FORMS.iter().filter(|form| !form.fields.is_empty());
        named.find(|form| form.fields.iter().all(|field| has(field)))
    };
    of(&|field| object.get(field).is_some_and(|value| !value.is_null()))
        .or_else(|| of(&|field| object.contains_key(field)))
        .or_else(|| FORMS.iter().find(|form| form.fields.is_empty()))
}

fn malformed(error: serde_json::Error) -> ValueError {
    ValueError::Json(Excerpt::new(&error.to_string()).into_text())
}
