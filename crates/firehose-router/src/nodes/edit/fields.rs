//! Parameters that are fields of JSON objects.

use serde_json::Value as Json;
use upstream_peers::ValueForm;

use super::{
    object::ObjectText,
    parameter::{ChangeKind, ParameterChange},
};

/// An object after a change; `None` if its form has no place for that.
pub(super) fn edited(form: ValueForm, text: &str, change: &ParameterChange) -> Option<String> {
    let name = change.name.as_str();
    match form {
        ValueForm::Own => field(text, name, change, Style::AsIs),
        // The address is in the key, and an empty value says nothing else.
        ValueForm::AddressInKey if text.trim().is_empty() => field("{}", name, change, Style::AsIs),
        ValueForm::AddressInKey => field(text, name, change, Style::AsIs),
        ValueForm::Grpc => nested(text, "Metadata", change, Style::AsIs),
        // Its metadata are texts.
        ValueForm::Kratos if name == "weight" => nested(text, "metadata", change, Style::Text),
        ValueForm::SkyDns | ValueForm::Kitex if name == "weight" => {
            field(text, "weight", change, Style::AsIs)
        }
        ValueForm::DolphinScheduler if name == "weight" => {
            field(text, "workerHostWeight", change, Style::AsIs)
        }
        ValueForm::Dubbo if name == "weight" => field(text, "Weight", change, Style::AsIs),
        ValueForm::Dubbo if name == "down" => {
            let object = ObjectText::parse(text)?;
            let is_enabled = change.kind == ChangeKind::Unset;
            Some(object.with("Enable", if is_enabled { "true" } else { "false" }))
        }
        ValueForm::Nodes if name == "weight" => nodes(text, change),
        _ => None,
    }
}

/// How a value is written that is not there yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// A number as a number, a flag as a flag.
    AsIs,
    /// Everything as a text.
    Text,
}

fn field(text: &str, name: &str, change: &ParameterChange, style: Style) -> Option<String> {
    let object = ObjectText::parse(text)?;
    if change.kind == ChangeKind::Unset {
        return Some(object.without(name));
    }
    Some(object.with(name, &value(object.get(name), change, style)))
}

/// The value as JSON, of the type that it had before.
fn value(before: Option<&str>, change: &ParameterChange, style: Style) -> String {
    let before = before.and_then(|before| serde_json::from_str(before).ok());
    let is_text = matches!(before, Some(Json::String(_))) || style == Style::Text;
    match &change.kind {
        ChangeKind::Value(value) => match value.parse::<u32>() {
            // As JSON has it, without zeros before it.
            Ok(number) if !is_text && change.name != "route" => number.to_string(),
            _ => Json::from(value.as_str()).to_string(),
        },
        _ if is_text => "\"true\"".to_owned(),
        _ if matches!(before, Some(Json::Number(_))) => "1".to_owned(),
        _ => "true".to_owned(),
    }
}

/// A field of an object in the object, which need not be there.
fn nested(text: &str, within: &str, change: &ParameterChange, style: Style) -> Option<String> {
    let object = ObjectText::parse(text)?;
    let inner = object.get(within).filter(|inner| *inner != "null");
    match (inner, &change.kind) {
        (None, ChangeKind::Unset) => Some(text.to_owned()),
        (inner, _) => {
            let edited = field(inner.unwrap_or("{}"), &change.name, change, style)?;
            Some(object.with(within, &edited))
        }
    }
}

/// The weight of each of APISIX's nodes: an object of addresses and weights, or a list of objects.
fn nodes(text: &str, change: &ParameterChange) -> Option<String> {
    let object = ObjectText::parse(text)?;
    let inner = object.get("nodes")?;
    if let Some(nodes) = ObjectText::parse(inner) {
        if change.kind == ChangeKind::Unset {
            return None;
        }
        let mut edited = inner.to_owned();
        for (name, weight) in nodes.pairs() {
            let weight = value(Some(weight), change, Style::AsIs);
            edited = ObjectText::parse(&edited)?.with(name, &weight);
        }
        return Some(object.with("nodes", &edited));
    }
    let nodes: Vec<&serde_json::value::RawValue> = serde_json::from_str(inner).ok()?;
    let mut edited = inner.to_owned();
    for node in nodes.iter().rev() {
        // go-micro's have an address, and no weight.
        let fields = ObjectText::parse(node.get())?;
        fields.get("host").filter(|_| fields.get("address").is_none())?;
        let start = (node.get().as_ptr() as usize).checked_sub(inner.as_ptr() as usize)?;
        let with = field(node.get(), "weight", change, Style::AsIs)?;
        edited.replace_range(start..start + node.get().len(), &with);
    }
    Some(object.with("nodes", &edited))
}
