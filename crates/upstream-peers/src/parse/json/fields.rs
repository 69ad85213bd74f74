//! The fields of an object.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::excerpt::Excerpt;
use crate::labels::{FoundLabels, Reading, SCHEMES};
use crate::parameters::{MAX_WEIGHT, Overrides, is_number_text};
use crate::value::{Value, ValueError};

pub(super) type Object = Map<String, Json>;

/// What an object is read with.
pub(super) struct Context<'c> {
    pub(super) key: &'c str,
    pub(super) reading: &'c Reading,
}

/// Which endpoints are wanted.
pub(super) struct Wanted<'w>(Option<&'w str>);

impl Wanted<'_> {
    /// Those of `endpoints`, each with its scheme, that are of the scheme that is wanted, or of the
    /// first one if none is named; with that scheme.
    pub(super) fn of<T>(
        &self,
        mut endpoints: Vec<(String, T)>,
    ) -> Result<(Arc<str>, Vec<T>), ValueError> {
        let schemes = match self.0 {
            Some(scheme) => vec![scheme],
            None => SCHEMES.to_vec(),
        };
        let is_there = |scheme: &&&str| endpoints.iter().any(|(there, _)| there == **scheme);
        let Some(&scheme) = schemes.iter().find(is_there) else {
            let mut found: Vec<_> = endpoints.iter().map(|(scheme, _)| scheme.as_str()).collect();
            found.sort_unstable();
            found.dedup();
            let [wanted, found] =
                [schemes.join(" or "), found.join(", ")].map(|it| Excerpt::new(&it));
            return Err(ValueError::NoEndpoint { wanted, found });
        };
        endpoints.retain(|(there, _)| there == scheme);
        Ok((scheme.into(), endpoints.into_iter().map(|(_, endpoint)| endpoint).collect()))
    }
}

impl Context<'_> {
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted(self.reading.scheme.as_deref())
    }

    /// The server with these labels.
    pub(super) fn labelled(&self, labels: FoundLabels, value: Value) -> Value {
        Value { labels: labels.keep(self.reading), ..value }
    }
}

/// The field, unless it is null.
pub(super) fn get<'j>(object: &'j Object, name: &str) -> Option<&'j Json> {
    object.get(name).filter(|value| !value.is_null())
}

/// The field of which it is known that it is there, or null.
pub(super) fn get_or_null<'j>(object: &'j Object, name: &str) -> &'j Json {
    object.get(name).unwrap_or(&Json::Null)
}

/// The parameters and the labels among fields that anybody may have chosen: a text that has the
/// name of a parameter, and cannot be its value, is a label as well. But a flag is meant as one:
/// requests would go to a peer that should get none.
pub(super) fn metadata(object: &Object) -> Result<(Overrides, FoundLabels), ValueError> {
    let (mut overrides, mut labels) = (Overrides::default(), FoundLabels::default());
    for (name, value) in object {
        match overrides.set_json(name, value) {
            Ok(true) => {}
            Err(error) if is_number(value) || Overrides::has_flag(name) => {
                return Err(error.into());
            }
            Ok(false) | Err(_) => labels.add_json(name, value),
        }
    }
    Ok((overrides, labels))
}

/// The weight in metadata, as [`set_weight`] reads it, if it is a number; a negative one is none
/// that a program writes by itself.
pub(super) fn metadata_weight(metadata: Option<&Json>) -> Result<Option<u32>, ValueError> {
    let weight = metadata.and_then(|metadata| metadata.get("weight"));
    let weight = weight.filter(|value| is_number(value));
    match weight {
        Some(value) if value.as_i64().is_some_and(|weight| weight < 0) => {
            Err(field("weight", value, "a number from 0 to 65535"))
        }
        weight => set_weight("weight", weight),
    }
}

/// A flag, if it is there: `true` or `false`, 1 or 0, also as a string.
pub(super) fn flag(object: &Object, name: &'static str) -> Result<Option<bool>, ValueError> {
    let Some(value) = get(object, name) else { return Ok(None) };
    let flag = match value {
        Json::Bool(flag) => Some(*flag),
        Json::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Json::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        value => number(value).filter(|&number| number <= 1).map(|number| number == 1),
    };
    flag.map(Some).ok_or_else(|| field(name, value, "true or false"))
}

/// Whether it is a number, or a text that can be nothing else.
fn is_number(value: &Json) -> bool {
    match value {
        Json::Number(_) => true,
        Json::String(text) => is_number_text(text),
        _ => false,
    }
}

/// The weight; programs write 0, or less, for one that is not set.
pub(super) fn set_weight(
    name: &'static str,
    weight: Option<&Json>,
) -> Result<Option<u32>, ValueError> {
    let Some(value) = weight else { return Ok(None) };
    if value.as_i64().is_some_and(|weight| weight <= 0) {
        return Ok(None);
    }
    let weight = number(value).filter(|&weight| weight <= MAX_WEIGHT);
    let weight = weight.ok_or_else(|| field(name, value, "a number from 0 to 65535"))?;
    Ok(Some(weight).filter(|&weight| weight != 0))
}

/// That the peer is not to be used, if this is so.
pub(super) fn down(is_down: bool) -> Overrides {
    Overrides { down: is_down.then_some(true), ..Overrides::default() }
}

/// The text of a field that must be there, and be one.
pub(super) fn string_of<'j>(object: &'j Object, name: &'static str) -> Result<&'j str, ValueError> {
    string(name, get_or_null(object, name))
}

pub(super) fn string<'j>(name: &'static str, value: &'j Json) -> Result<&'j str, ValueError> {
    value.as_str().ok_or_else(|| field(name, value, "a string"))
}

/// A port that must be there.
pub(super) fn port_of(object: &Object, name: &'static str) -> Result<u16, ValueError> {
    let value = get_or_null(object, name);
    let port = number(value).and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0);
    port.ok_or_else(|| field(name, value, "a number from 1 to 65535"))
}

/// A whole number, or a string of its digits.
pub(super) fn number(value: &Json) -> Option<u32> {
    match value {
        Json::Number(number) => u32::try_from(number.as_u64()?).ok(),
        Json::String(digits) => nginx_syntax::number(digits),
        _ => None,
    }
}

pub(super) fn field(field: &'static str, value: &Json, expected: &'static str) -> ValueError {
    let value = match value {
        Json::String(text) => Excerpt::new(text),
        value => Excerpt::new(&value.to_string()),
    };
    ValueError::Field { field, value, expected }
}
