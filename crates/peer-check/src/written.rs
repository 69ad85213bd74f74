//! A check of a connection as one text, as an operator writes it on a command line.

use nginx_syntax::quoted;
use thiserror::Error;

use crate::config::{CheckKind, ConfigError};
use crate::exchange::{Exchange, ExchangeError};
use crate::tls::is_tls_name;

/// The parameters of a check of a connection, `tcp` or `tls`.
const PARAMETERS: [&str; 3] = ["name", "send", "expect"];

/// Why a text is not a check of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WrittenError {
    /// It begins as no check does.
    #[error("it must begin with \"tcp\", \"tls\", \"send=\" or \"expect=\"")]
    Unknown,
    /// A quote is not closed, or something follows it at once.
    #[error("a quote must be closed, and followed by a space or nothing")]
    Quote,
    /// A word is none of the parameters.
    #[error("invalid parameter {}, it must be \"name=\", \"send=\" or \"expect=\"", quoted(.0))]
    Parameter(String),
    /// A parameter is given twice.
    #[error("duplicate parameter {}", quoted(.0))]
    Duplicate(String),
    /// There is no name without TLS.
    #[error("\"name\" cannot be used without \"tls\"")]
    NameWithoutTls,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] ConfigError),
    /// What is sent or expected cannot be.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

/// Reads `[tcp | tls] [name=NAME] [send=TEXT] [expect=TEXT]`, with words as nginx's configuration
/// has them: separated by spaces, or in quotes as a whole.
///
/// # Errors
///
/// Where it is something else.
pub fn connection_check(text: &str) -> Result<CheckKind, WrittenError> {
    let words = words(text)?;
    let (is_tls, parameters) = match words.as_slice() {
        ["tcp", parameters @ ..] => (false, parameters),
        ["tls", parameters @ ..] => (true, parameters),
        [first, ..] if parameter(first).is_some() => (false, words.as_slice()),
        _ => return Err(WrittenError::Unknown),
    };
    let mut given = [None; PARAMETERS.len()];
    for &word in parameters {
        let (place, value) =
            parameter(word).ok_or_else(|| WrittenError::Parameter(word.to_owned()))?;
        if given[place].replace(value).is_some() {
            return Err(WrittenError::Duplicate(word.to_owned()));
        }
    }
    let [name, send, expect] = given;
    let exchange = Exchange::parse(send, expect)?;
    match (is_tls, name) {
        (false, None) => Ok(CheckKind::Tcp { exchange }),
        (false, Some(_)) => Err(WrittenError::NameWithoutTls),
        (true, Some(name)) if !is_tls_name(name) => Err(ConfigError::Name(name.to_owned()).into()),
        (true, name) => Ok(CheckKind::Tls { name: name.map(str::to_owned), exchange }),
    }
}

/// The place of a parameter among [`PARAMETERS`], and its value.
fn parameter(word: &str) -> Option<(usize, &str)> {
    let (name, value) = word.split_once('=')?;
    let place = PARAMETERS.iter().position(|&parameter| parameter == name)?;
    Some((place, value))
}

/// The words of a text, without the quotes that are around them. Escapes stay as they are.
fn words(text: &str) -> Result<Vec<&str>, WrittenError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let quote = ['"', '\''].into_iter().find(|&quote| quote == first);
        let (word, after) = match quote {
            Some(quote) => {
                let (word, after) =
                    split_at(&rest[1..], |c| c == quote).ok_or(WrittenError::Quote)?;
                let after = &after[1..];
                if !after.is_empty() && !after.starts_with(char::is_whitespace) {
                    return Err(WrittenError::Quote);
                }
                (word, after)
            }
            None => split_at(rest, char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// Splits a text before the first character of a kind that has no backslash before it.
fn split_at(text: &str, is_end: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    let end = text.char_indices().find(|&(_, character)| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        is_escaped = character == '\\';
        is_end(character)
    });
    end.map(|(at, _)| text.split_at(at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{WrittenError, connection_check, words};
    use crate::config::{CheckKind, ConfigError};
    use crate::escapes::escape;
    use crate::exchange::{Exchange, ExchangeError};

    #[test]
    fn checks_of_connections_are_read() {
        let exchange = |send, expect| Exchange::parse(send, Some(expect)).expect("texts");
        let tcp = |exchange| CheckKind::Tcp { exchange };
        let tls = |name: Option<&str>, exchange| CheckKind::Tls {
            name: name.map(str::to_owned),
            exchange,
        };
        for (text, kind) in [
            ("tcp", tcp(None)),
            (" tcp ", tcp(None)),
            ("tls", tls(None, None)),
            ("tls name=db.internal", tls(Some("db.internal"), None)),
            ("send=PING expect=+PONG", tcp(exchange(Some("PING"), "+PONG"))),
            ("tcp expect=+PONG send=PING", tcp(exchange(Some("PING"), "+PONG"))),
            ("tls send=PING expect=+PONG", tls(None, exchange(Some("PING"), "+PONG"))),
            ("expect=SSH-2.0-", tcp(exchange(None, "SSH-2.0-"))),
            (
                r#""send=INFO replication"  'expect=role:master'"#,
                tcp(exchange(Some("INFO replication"), "role:master")),
            ),
            (r#""send=a\"b" expect=c=d"#, tcp(exchange(Some(r#"a\"b"#), "c=d"))),
        ] {
            assert_eq!(connection_check(text), Ok(kind), "{text}");
        }
    }

    #[test]
    fn anything_else_is_rejected_with_its_reason() {
        let exchange =
            |send, expect| Exchange::parse(send, expect).expect_err("no exchange").into();
        for (text, error) in [
            ("", WrittenError::Unknown),
            ("udp", WrittenError::Unknown),
            ("PING", WrittenError::Unknown),
            ("\"\"", WrittenError::Unknown),
            ("tcp tls", WrittenError::Parameter("tls".to_owned())),
            ("tcp sent=x", WrittenError::Parameter("sent=x".to_owned())),
            ("send=a send=b expect=c", WrittenError::Duplicate("send=b".to_owned())),
            ("tcp name=a", WrittenError::NameWithoutTls),
            ("name=a", WrittenError::NameWithoutTls),
            ("tls name=", ConfigError::Name(String::new()).into()),
            ("\"send=PING expect=x", WrittenError::Quote),
            ("\"send=PING\"x", WrittenError::Quote),
            ("send=PING", exchange(Some("PING"), None)),
            ("send=\"PING\" expect=x", exchange(Some("\"PING\""), Some("x"))),
            (r"send=\q expect=x", exchange(Some(r"\q"), Some("x"))),
            ("tcp expect=", exchange(None, Some(""))),
        ] {
            assert_eq!(connection_check(text), Err(error), "{text}");
        }
    }

    #[test]
    fn messages_are_worded_so() {
        for (error, message) in [
            (
                WrittenError::Unknown,
                "it must begin with \"tcp\", \"tls\", \"send=\" or \"expect=\"",
            ),
            (WrittenError::Quote, "a quote must be closed, and followed by a space or nothing"),
            (
                WrittenError::Parameter("sent=x".to_owned()),
                "invalid parameter \"sent=x\", it must be \"name=\", \"send=\" or \"expect=\"",
            ),
            (WrittenError::Duplicate("send=b".to_owned()), "duplicate parameter \"send=b\""),
            (WrittenError::NameWithoutTls, "\"name\" cannot be used without \"tls\""),
            (ExchangeError::NothingExpected.into(), "\"send\" cannot be used without \"expect\""),
        ] {
            assert_eq!(error.to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn any_exchange_is_read_as_it_was_written(
            send in prop::option::of(prop::collection::vec(any::<u8>(), 1..40)),
            expect in prop::collection::vec(any::<u8>(), 1..40),
        ) {
            let send = send.map(|bytes| escape(&bytes));
            let exchange = Exchange::parse(send.as_deref(), Some(&escape(&expect)));
            let exchange = exchange.expect("texts").expect("an expected one");
            let kind = connection_check(&exchange.to_string());
            prop_assert_eq!(kind, Ok(CheckKind::Tcp { exchange: Some(exchange) }));
        }

        #[test]
        fn no_text_panics(text in "(.|[ \"'\\\\]|send=|expect=|tls|tcp){0,12}") {
            let _ = connection_check(&text);
            if let Ok(words) = words(&text) {
                prop_assert!(words.iter().all(|word| text.contains(word)));
            }
        }
    }
}
