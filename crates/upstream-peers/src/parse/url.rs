//! Addresses as text, and in URLs.

use crate::address::{AddressError, DEFAULT_PORT, Target};
use crate::excerpt::Excerpt;

/// White space of nginx's configuration.
pub(super) const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The parts of a URL that say where a peer is, and what is said of it.
pub(super) struct Url<'u> {
    pub(super) scheme: &'u str,
    /// Where it leads to, as nginx writes it, always with the port.
    pub(super) server: String,
    pub(super) target: Target,
    /// With the slash at its beginning, if there is any.
    pub(super) path: &'u str,
    /// Behind the question mark.
    pub(super) query: &'u str,
}

/// The scheme and the rest, if a text is a URL.
pub(super) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// Reads a URL. Who may use it (`user:password@`) is ignored.
pub(super) fn parse(text: &str) -> Result<Url<'_>, AddressError> {
    let (scheme, rest) =
        split_scheme(text).ok_or_else(|| AddressError::NotAUrl(Excerpt::new(text)))?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (server, target) = Target::parse_with_default(host, default_port(scheme))?;
    Ok(Url { scheme, server, target, path, query })
}

/// An address, also as a URL that has nothing else in it: the server as nginx writes it, and what
/// it stands for.
pub(super) fn address(text: &str) -> Result<(String, Target), AddressError> {
    if let Some((scheme, _)) = split_scheme(text)
        && matches!(scheme, "http" | "https")
    {
        let url = parse(text)?;
        if !matches!(url.path, "" | "/") || !url.query.is_empty() {
            return Err(AddressError::Path(Excerpt::new(text)));
        }
        return Ok((url.server, url.target));
    }
    let target = Target::parse(text)?;
    target.check_name(text)?;
    Ok((text.to_owned(), target))
}

/// The port of a URL that names none.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" | "h2c" => Some(DEFAULT_PORT),
        "https" | "wss" => Some(443),
        "postgres" | "postgresql" => Some(5432),
        _ => None,
    }
}

/// The pairs of a query, decoded.
pub(super) fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// What percent-encoded text stands for; `+` is a space. What is not encoded well stays as it is.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digit = |at: usize| bytes.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                // Two digits of 16 are less than 256.
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_host_and_port() {
        for (text, server, path, query) in [
            ("http://10.0.0.7:8000?isSecure=false", "10.0.0.7:8000", "", "isSecure=false"),
            ("http://10.0.0.7/a/b?c=d#e", "10.0.0.7:80", "/a/b", "c=d"),
            ("https://[::1]", "[::1]:443", "", ""),
            ("postgres://me:secret@10.0.0.7/db", "10.0.0.7:5432", "/db", ""),
            ("grpc://node:9000/", "node:9000", "/", ""),
        ] {
            let url = parse(text).expect(text);
            assert_eq!((&*url.server, url.path, url.query), (server, path, query), "{text}");
        }
        for text in ["", "http:/a", "://a", "1http://a", "grpc://a", "http://", "http://a b"] {
            let Err(error) = parse(text) else { panic!("{text}") };
            assert!(!error.to_string().is_empty());
        }
        let Err(error) = parse("http://me:secret@a b") else { panic!("no host") };
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn queries_are_decoded() {
        let pairs: Vec<_> = query_pairs("a=1&&b=x+y%2Fz&c&d=%4&e=%zz").collect();
        let expected = [("a", "1"), ("b", "x y/z"), ("c", ""), ("d", "%4"), ("e", "%zz")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
