//! The flag that says which of several endpoints in a value is meant.

/// Takes a scheme: it is one word.
pub(crate) fn parse(given: &str) -> Result<String, String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    if given.is_empty() || !given.bytes().all(is_part) {
        return Err("it must be one word of letters, digits and \"+-._\"".to_owned());
    }
    Ok(given.to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_scheme_is_one_word() {
        assert_eq!(parse("h2c"), Ok("h2c".to_owned()));
        assert!(["", "X Y", "http://", "a\n"].iter().all(|given| parse(given).is_err()));
    }
}
