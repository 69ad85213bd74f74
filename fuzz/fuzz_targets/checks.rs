//! Any text as a check of a connection: no panic, an exchange that is accepted reads back from what
//! is printed of it, a reason stays on its line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use peer_check::{CheckKind, MAX_TEXT, connection_check};

fuzz_target!(|text: &str| {
    match connection_check(text) {
        Ok(CheckKind::Tcp { exchange } | CheckKind::Tls { exchange, .. }) => {
            let Some(exchange) = exchange else { return };
            // A line end may have made it too long to be given.
            if exchange.sent().is_none_or(|bytes| bytes.len() <= MAX_TEXT) {
                let again = connection_check(&exchange.to_string());
                assert_eq!(again, Ok(CheckKind::Tcp { exchange: Some(exchange) }));
            }
        }
        Ok(CheckKind::Http { .. }) => panic!("a check of a connection is none by HTTP"),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});
