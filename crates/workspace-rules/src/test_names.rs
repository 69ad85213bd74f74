//! The names of test functions.

use crate::tokens::{attribute, tokens};

/// The names of the functions in a source that have an attribute `test`, whichever crate's.
pub fn test_names(source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let (mut names, mut at) = (Vec::new(), 0);
    let mut is_test = false;
    while at < tokens.len() {
        if let Some(length) = attribute(&tokens[at..]) {
            is_test |= is_test_attribute(&tokens[at + 2..at + length - 1]);
            at += length;
            continue;
        }
        match tokens[at].as_str() {
            "async" | "unsafe" | "pub" | "(" | "crate" | "super" | ")" => {}
            "fn" if is_test => {
                names.extend(tokens.get(at + 1).cloned());
                is_test = false;
            }
            _ => is_test = false,
        }
        at += 1;
    }
    names
}

/// `test`, `tokio::test(…)` and their like.
fn is_test_attribute(attribute: &[String]) -> bool {
    let path: Vec<&str> =
        attribute.iter().map(String::as_str).take_while(|&token| token != "(").collect();
    path.last() == Some(&"test")
}
