//! Which keys are meant, and in which etcd.

use clap::Args;
use nginx_syntax::quoted;
use upstream_peers::{MAX_URL_KEY_LENGTH, Reading};

use super::{error::NodesError, store::Store};
use crate::etcd::EtcdOptions;

/// Flags that all tasks of `nodes` share.
#[derive(Args, Debug)]
pub(super) struct TargetOptions {
    /// Prefix of the nodes' keys, as the directive "etcd" has it [default: PREFIX/upstream/]
    #[arg(long, value_name = "PREFIX", value_parser = parse_upstream_prefix)]
    upstream_prefix: Option<String>,

    /// Which of several endpoints in a value is meant, as in the directive "etcd" [default: http,
    /// or else https]
    #[arg(long, value_name = "NAME", value_parser = parse_scheme)]
    scheme: Option<String>,

    #[command(flatten)]
    etcd: EtcdOptions,
}

/// The keys below a prefix.
pub(super) struct Target {
    pub(super) store: Store,
    /// With a slash at its end.
    pub(super) prefix: String,
    pub(super) reading: Reading,
}

impl TargetOptions {
    /// Where the keys are.
    pub(super) fn target(self) -> Result<Target, NodesError> {
        let etcd = self.etcd.read()?;
        let prefix = self.upstream_prefix.unwrap_or_else(|| etcd.upstream_prefix());
        let reading = Reading { scheme: self.scheme, ..Reading::default() };
        Ok(Target { store: Store::new(&etcd), prefix, reading })
    }
}

impl Target {
    /// The name of a key below the prefix, which may stand before it.
    pub(super) fn name(&self, given: &str) -> Result<String, NodesError> {
        let name = given.strip_prefix(&self.prefix).unwrap_or(given);
        if name == given && given.starts_with('/') {
            return Err(NodesError::Usage(format!(
                "key {} does not begin with the prefix {}: correct it, or see --upstream-prefix",
                quoted(given),
                quoted(&self.prefix)
            )));
        }
        if name.is_empty() || name.len() > MAX_URL_KEY_LENGTH {
            let text = "a key has at least one character behind the prefix, and 4096 bytes at most";
            return Err(NodesError::Usage(text.to_owned()));
        }
        Ok(name.to_owned())
    }

    /// The whole key of a name.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// Takes a scheme: it is one word.
fn parse_scheme(given: &str) -> Result<String, String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    if given.is_empty() || !given.bytes().all(is_part) {
        return Err("it must be one word of letters, digits and \"+-._\"".to_owned());
    }
    Ok(given.to_owned())
}

/// Takes a prefix, with or without a slash at its end.
fn parse_upstream_prefix(given: &str) -> Result<String, String> {
    let prefix = given.trim_end_matches('/');
    if prefix.is_empty() {
        return Err("it must have at least one character besides slashes".to_owned());
    }
    Ok(format!("{prefix}/"))
}

#[cfg(test)]
mod tests {
    use super::parse_scheme;

    #[test]
    fn a_scheme_is_one_word() {
        assert_eq!(parse_scheme("h2c"), Ok("h2c".to_owned()));
        assert!(["", "X Y", "http://", "a\n"].iter().all(|given| parse_scheme(given).is_err()));
    }
}
