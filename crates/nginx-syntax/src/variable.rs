//! Texts with variables.

/// The name of the variable that is all of the text, `$name` or `${name}`, if it is one that nginx
/// has an index for: those of regular expressions, `$1`, have none.
pub fn only_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = match name.strip_prefix('{') {
        Some(name) => name.strip_suffix('}')?,
        None => name,
    };
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    (is_name && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::only_variable;

    #[test]
    fn one_variable_is_known_for_it() {
        for (written, name) in [
            ("$host", Some("host")),
            ("${cookie_uid}", Some("cookie_uid")),
            ("$_x1", Some("_x1")),
            ("$1", None),
            ("$", None),
            ("${}", None),
            ("${host", None),
            ("$host}", None),
            ("host", None),
            ("$host/", None),
            ("$a$b", None),
            ("", None),
        ] {
            assert_eq!(only_variable(written), name, "{written}");
        }
    }
}
