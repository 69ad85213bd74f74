//! The prefix of keys, and their names below it.

use nginx_syntax::quoted;

use super::error::KeysError;

/// A prefix that a flag names.
#[derive(Clone, Debug)]
pub(crate) struct Prefix {
    /// With a slash at its end.
    text: String,
    flag: &'static str,
}

impl Prefix {
    /// One with a slash at its end.
    pub(crate) fn new(text: String, flag: &'static str) -> Self {
        Self { text, flag }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of a key below the prefix, which may stand before it.
    ///
    /// # Errors
    ///
    /// Where it is a key that is not below the prefix.
    pub(crate) fn name<'g>(&self, given: &'g str) -> Result<&'g str, KeysError> {
        match given.strip_prefix(&self.text) {
            Some(name) => Ok(name),
            None if given.starts_with('/') => Err(KeysError::Usage(format!(
                "key {} does not begin with the prefix {}: correct it, or see {}",
                quoted(given),
                quoted(&self.text),
                self.flag
            ))),
            None => Ok(given),
        }
    }

    /// The whole key of a name.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.text)
    }
}

/// Takes a prefix, with or without a slash at its end.
pub(crate) fn parse_prefix(given: &str) -> Result<String, String> {
    let prefix = given.trim_end_matches('/');
    if prefix.is_empty() {
        return Err("it must have at least one character besides slashes".to_owned());
    }
    Ok(format!("{prefix}/"))
}

#[cfg(test)]
mod tests {
    use super::{Prefix, parse_prefix};

    #[test]
    fn names_are_given_with_or_without_the_prefix() {
        let prefix = Prefix::new(parse_prefix("/routes").expect("a prefix"), "--routes");
        assert_eq!(prefix.name("a.example").expect("a name"), "a.example");
        assert_eq!(prefix.name("/routes/a/b").expect("a name"), "a/b");
        assert_eq!(prefix.name("/routes/").expect("a name"), "");
        assert_eq!(prefix.key("a.example"), "/routes/a.example");
        assert_eq!(
            prefix.name("/other/a").expect_err("another prefix").to_string(),
            "key \"/other/a\" does not begin with the prefix \"/routes/\": correct it, or see \
             --routes"
        );
    }

    #[test]
    fn a_prefix_ends_with_one_slash() {
        assert_eq!(parse_prefix("/a//"), Ok("/a/".to_owned()));
        assert!(parse_prefix("//").is_err());
    }
}
