//! A key's value is read, in whichever form it is written.

mod json;

use crate::address::Target;
use crate::excerpt::Excerpt;
use crate::parameters::{Overrides, ParameterError};
use crate::value::{MAX_VALUE_LENGTH, Value, ValueError, address_in_key, check_key};

/// White space of nginx's configuration.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Reads the value of `key`, which is the name below the prefix.
///
/// The form is found by looking at the value:
///
/// * nginx's syntax: what one would write after `server`, `10.0.0.7:80 weight=5 backup`, with or
///   without a `;` at the end;
/// * a JSON object with `addr` and fields named as nginx's parameters;
/// * gRPC's naming, `{"Op":0,"Addr":"10.0.0.7:80","Metadata":…}`, where an object in `Metadata` may
///   set parameters;
/// * SkyDNS's and CoreDNS's, `{"host":"10.0.0.7","port":80,"weight":5}`;
/// * nginx-upsync's: the address with its port is the key's last path segment, and the value an
///   object with parameters, or empty.
///
/// Of several fields of one name in an object, or several parameters of one name, the last one
/// counts. The port is 80 where there is none.
///
/// # Errors
///
/// [`ValueError`] says what is wrong with the key or the value. It never panics, whatever they
/// hold.
pub fn parse_value(key: &str, value: &[u8]) -> Result<Value, ValueError> {
    check_key(key)?;
    if value.len() > MAX_VALUE_LENGTH {
        return Err(ValueError::ValueTooLong(value.len()));
    }
    let text =
        str::from_utf8(value).map_err(|_| ValueError::ValueNotUtf8)?.trim_matches(WHITE_SPACE);
    if text.is_empty() {
        let (server, target) = address_in_key(key).ok_or(ValueError::Empty)?;
        return Ok(Value { server: server.to_owned(), target, overrides: Overrides::default() });
    }
    if text.starts_with('{') { json::parse(key, text) } else { server_syntax(text) }
}

fn server_syntax(text: &str) -> Result<Value, ValueError> {
    let text = text.strip_suffix(';').unwrap_or(text);
    let mut words = text.split(WHITE_SPACE).filter(|word| !word.is_empty());
    let server = words.next().unwrap_or_default();
    let target = Target::parse(server)?;
    let mut overrides = Overrides::default();
    for word in words {
        overrides.set_word(word).map_err(|error| match error {
            ParameterError::Unknown(unknown)
                if is_any_word(server, &target) && !word.contains('=') =>
            {
                ValueError::NoServer { first: Excerpt::new(server), word: unknown }
            }
            error => error.into(),
        })?;
    }
    Ok(Value { server: server.to_owned(), target, overrides })
}

/// Whether nothing says that `server` is one: any word would be taken for the name of a host.
fn is_any_word(server: &str, target: &Target) -> bool {
    matches!(target, Target::Name { .. }) && !server.contains(['.', ':'])
}
