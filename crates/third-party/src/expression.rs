//! License expressions of SPDX, as `Cargo.toml` has them: with `OR`, `AND`, `WITH` and parentheses,
//! and the old `/` for `OR`.

use std::{error, fmt};

/// An expression that cannot be read, with what was found in place of a license.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownSyntax(pub String);

impl fmt::Display for UnknownSyntax {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\" is no license expression", self.0)
    }
}

impl error::Error for UnknownSyntax {}

/// Whether one can choose licenses of these to fulfil the expression.
pub fn is_allowed(expression: &str, allowed: &[String]) -> Result<bool, UnknownSyntax> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let unknown = || UnknownSyntax(expression.to_owned());
    let result = any(&mut words, allowed).ok_or_else(unknown)?;
    if words.is_empty() { Ok(result) } else { Err(unknown()) }
}

/// What `OR` connects. The words are read from the end.
fn any(words: &mut Vec<&str>, allowed: &[String]) -> Option<bool> {
    let mut result = all(words, allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        result |= all(words, allowed)?;
    }
    Some(result)
}

/// What `AND` connects.
fn all(words: &mut Vec<&str>, allowed: &[String]) -> Option<bool> {
    let mut result = one(words, allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        result &= one(words, allowed)?;
    }
    Some(result)
}

/// A license, with an exception or without, or what is between parentheses.
fn one(words: &mut Vec<&str>, allowed: &[String]) -> Option<bool> {
    match words.pop()? {
        "(" => {
            let result = any(words, allowed)?;
            (words.pop()? == ")").then_some(result)
        }
        ")" | "AND" | "OR" | "WITH" => None,
        license => {
            let mut license = license.to_owned();
            if words.pop_if(|word| *word == "WITH").is_some() {
                license = format!("{license} WITH {}", words.pop()?);
            }
            Some(allowed.contains(&license))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ok(expression: &str) -> Option<bool> {
        is_allowed(expression, &["MIT".to_owned(), "ISC".to_owned(), "A WITH B".to_owned()]).ok()
    }

    #[test]
    fn one_of_several_licenses_is_enough() {
        for expression in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "GPL-3.0 / MIT", "A WITH B"] {
            assert_eq!(is_ok(expression), Some(true), "{expression}");
        }
        for expression in ["GPL-3.0", "GPL-3.0 OR LGPL-3.0", "A", "MIT WITH B", "mit"] {
            assert_eq!(is_ok(expression), Some(false), "{expression}");
        }
    }

    #[test]
    fn each_of_joined_licenses_is_needed() {
        for expression in ["MIT AND ISC", "(GPL-3.0 OR MIT) AND ISC", "GPL-3.0 AND B OR ISC"] {
            assert_eq!(is_ok(expression), Some(true), "{expression}");
        }
        for expression in ["MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "GPL-3.0 AND (MIT)"] {
            assert_eq!(is_ok(expression), Some(false), "{expression}");
        }
    }

    #[test]
    fn other_syntax_is_an_error() {
        for expression in ["", "MIT ISC", "MIT OR", "(MIT", "MIT)", "OR MIT", "A WITH"] {
            assert_eq!(is_ok(expression), None, "{expression}");
        }
    }
}
