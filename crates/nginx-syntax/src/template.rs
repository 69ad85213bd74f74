//! The parts of texts with variables.

/// A part of a text that may contain variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    /// Itself.
    Text(&'t str),
    /// The value of the variable of this name.
    Variable(&'t str),
    /// Nothing: what begins with this dollar sign is no variable that has a name. Those of regular
    /// expressions, `$1`, have none.
    Invalid(&'t str),
}

/// The parts of a text, as `ngx_http_script_compile` finds them. Behind one that is not valid there
/// are none.
pub fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (part, behind) = split_first(rest)?;
        rest = behind;
        Some(part)
    })
}

/// The first part of a text and what is behind it; `None` for an empty one.
fn split_first(text: &str) -> Option<(Part<'_>, &str)> {
    let Some(behind) = text.strip_prefix('$') else {
        let (text, rest) = text.split_at(text.find('$').unwrap_or(text.len()));
        return (!text.is_empty()).then_some((Part::Text(text), rest));
    };
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (name, rest) = match behind.strip_prefix('{') {
        Some(braced) => braced.split_once('}').unwrap_or(("", "")),
        None => behind.split_at(behind.bytes().take_while(is_of_name).count()),
    };
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| is_of_name(&byte))
        && !name.starts_with(|first: char| first.is_ascii_digit());
    Some(if is_name { (Part::Variable(name), rest) } else { (Part::Invalid(text), "") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Part::*, parts};

    #[test]
    fn variables_are_found_as_nginx_finds_them() {
        for (text, expected) in [
            ("", vec![]),
            ("key", vec![Text("key")]),
            ("$host", vec![Variable("host")]),
            ("${host}x", vec![Variable("host"), Text("x")]),
            ("a$b-$c_1/", vec![Text("a"), Variable("b"), Text("-"), Variable("c_1"), Text("/")]),
            ("$a$b", vec![Variable("a"), Variable("b")]),
            ("é$host", vec![Text("é"), Variable("host")]),
            ("$", vec![Invalid("$")]),
            ("a$1b", vec![Text("a"), Invalid("$1b")]),
            ("${host", vec![Invalid("${host")]),
            ("${}$host", vec![Invalid("${}$host")]),
            ("${a b}", vec![Invalid("${a b}")]),
            ("$$host", vec![Invalid("$$host")]),
        ] {
            assert_eq!(parts(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_lost(text in "[a$1_{}é ]{0,12}") {
            let found: Vec<_> = parts(&text).collect();
            let written: String = found.iter().map(|part| match part {
                Text(text) | Invalid(text) => (*text).to_owned(),
                Variable(name) => format!("${{{name}}}"),
            }).collect();
            prop_assert_eq!(parts(&written).collect::<Vec<_>>(), found);
            if !text.contains('$') {
                prop_assert_eq!(written, text);
            }
        }
    }
}
