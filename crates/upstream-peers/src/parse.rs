//! A key's value is read, in whichever form it is written.

mod json;
mod key;
mod url;

use crate::address::Target;
use crate::form::ValueForm;
use crate::key_name::name_of_url;
use crate::labels::Reading;
use crate::parameters::Overrides;
use crate::value::{
    KeyContent, MAX_KEY_LENGTH, MAX_LONG_VALUE_LENGTH, MAX_VALUE_LENGTH, Value, ValueError,
    check_count, check_key,
};
use url::{WHITE_SPACE, address};

/// Reads the value of `key`, which is the name below the prefix.
///
/// The form is found by looking at the key and the value, in this order:
///
/// * Traefik's: a key that ends in `/url` with a URL, and those beside it;
/// * an empty value: dubbo-go's URL, rpcx's address or addresses with their ports are the key's
///   last path segment;
/// * a JSON object: see the table in `json.rs`, from this project's own form, with `addr` and
///   fields named as nginx's parameters, to nginx-upsync's, whose address is in the key;
/// * rpcx's `group=a&weight=5`, with the address in the key;
/// * nginx's syntax: what one would write after `server`, `10.0.0.7:80 weight=5 backup`, with or
///   without `http://` before it and a `;` at the end.
///
/// Of several fields of one name in an object, or several parameters of one name, the last one
/// counts. The port is 80 where there is none, unless the reading says that there must be one.
///
/// # Errors
///
/// [`ValueError`] says what is wrong with the key or the value. It never panics, whatever they
/// hold.
pub fn parse_value<'k>(
    key: &'k str,
    value: &[u8],
    reading: &Reading,
) -> Result<KeyContent<'k>, ValueError> {
    check_key(key)?;
    let text = text(value)?;
    if key.len() > MAX_KEY_LENGTH && !text.is_empty() {
        return Err(ValueError::KeyTooLong(key.len()));
    }
    if let Some(content) = key::traefik(key, text) {
        return content;
    }
    let (mut name, length) = (key, value.len());
    let values = if text.starts_with('{') {
        json::parse(key, text, length, reading)?
    } else if let Some(value) = key::rpcx(key, text, reading) {
        vec![value?]
    } else if !text.is_empty() {
        vec![server_syntax(text)?]
    } else if let Some(of_url) = name_of_url(key) {
        name = of_url;
        vec![key::dubbo(key, reading)?]
    } else {
        key::servers(key).ok_or(ValueError::Empty)?
    };
    check_count(values.len())?;
    if reading.is_stream {
        values.iter().try_for_each(|value| value.target.check_port(&value.server))?;
    }
    Ok(KeyContent::Servers { name, values })
}

/// What the form of a key's value is called, as [`parse_value`] finds it; `None` where it would be
/// rejected for having none.
pub fn form_of(key: &str, value: &[u8]) -> Option<ValueForm> {
    let text = text(value).ok()?;
    Some(match key::traefik(key, text) {
        Some(Ok(KeyContent::Setting { .. })) => ValueForm::TraefikSetting,
        Some(_) => ValueForm::Traefik,
        None if text.starts_with('{') => json::name_of(text)?,
        None if key::rpcx(key, text, &Reading::default()).is_some() => ValueForm::Rpcx,
        None if !text.is_empty() => ValueForm::Server,
        None if name_of_url(key).is_some() => ValueForm::DubboUrl,
        None => key::servers(key).map(|_| ValueForm::AddressInKey)?,
    })
}

/// Reads what nginx has after `server`, of which it is known that it is such: any word is taken for
/// a host name.
///
/// # Errors
///
/// As for [`parse_value`].
pub fn parse_server(key: &str, value: &[u8]) -> Result<Value, ValueError> {
    check_key(key)?;
    let text = text(value)?;
    let (server, overrides) = split_server(text);
    let target = Target::parse(server)?;
    Ok(Value::new(server, target, parameters(overrides)?))
}

/// The value as text. Only an object may be longer than others.
fn text(value: &[u8]) -> Result<&str, ValueError> {
    let too_long = |most| Err(ValueError::ValueTooLong { length: value.len(), most });
    if value.len() > MAX_LONG_VALUE_LENGTH {
        return too_long(MAX_LONG_VALUE_LENGTH);
    }
    let text =
        str::from_utf8(value).map_err(|_| ValueError::ValueNotUtf8)?.trim_matches(WHITE_SPACE);
    if value.len() > MAX_VALUE_LENGTH && !text.starts_with('{') {
        return too_long(MAX_VALUE_LENGTH);
    }
    Ok(text)
}

fn server_syntax(text: &str) -> Result<Value, ValueError> {
    let (server, words) = split_server(text);
    let (server, target) = address(server)?;
    Ok(Value::new(server, target, parameters(words)?))
}

/// The first word, and the others.
fn split_server(text: &str) -> (&str, impl Iterator<Item = &str>) {
    let text = text.strip_suffix(';').unwrap_or(text);
    let mut words = text.split(WHITE_SPACE).filter(|word| !word.is_empty());
    (words.next().unwrap_or_default(), words)
}

fn parameters<'w>(mut words: impl Iterator<Item = &'w str>) -> Result<Overrides, ValueError> {
    let mut overrides = Overrides::default();
    words.try_for_each(|word| overrides.set_word(word))?;
    Ok(overrides)
}
