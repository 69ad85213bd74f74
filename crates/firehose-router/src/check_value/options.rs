//! The flags of `check-value`.

use std::ffi::OsString;

use clap::Args;
use upstream_peers::{Allow, Overrides, Parameters, Reading, Select};

use crate::etcd::parse_prefix;

/// Flags of `check-value`.
#[derive(Args, Debug)]
pub(crate) struct CheckValueOptions {
    /// Value as it would be written into etcd; "-" reads it from standard input
    #[arg(value_name = "VALUE", required = true, allow_hyphen_values = true)]
    pub(super) value: Vec<OsString>,

    /// Key of the value, with or without the prefix: some forms have the address in it
    #[arg(long, value_name = "KEY", default_value = "node")]
    key: String,

    /// Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)
    #[arg(
        long,
        env = "FIREHOSE_PREFIX",
        value_name = "PREFIX",
        hide_env_values = true,
        default_value = "/firehose",
        value_parser = parse_prefix
    )]
    prefix: String,

    /// Which of several endpoints in the value is meant, as in the directive "etcd" [default: http,
    /// or else https]
    #[arg(long, value_name = "NAME")]
    scheme: Option<String>,

    /// Read the value for an upstream in "stream", where an address must have a port
    #[arg(long)]
    stream: bool,

    /// Label that peers must have, as in the directive "etcd_select"; several if the flag is
    /// repeated
    #[arg(long, value_name = "KEY=VALUE")]
    select: Vec<String>,

    /// Network in which peers must be, as in the directive "etcd_allow"; several if the flag is
    /// repeated
    #[arg(long, value_name = "CIDR")]
    allow: Vec<String>,

    /// Parameters that the value does not set, as in the directive "etcd_defaults": 'weight=2
    /// max_fails=3'
    #[arg(long, value_name = "PARAMETERS", default_value = "", hide_default_value = true)]
    defaults: String,

    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What a value is read with.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    /// Without the prefix.
    pub(super) key: String,
    /// The prefix, with a slash at its end.
    pub(super) prefix: String,
    pub(super) reading: Reading,
    pub(super) allow: Allow,
    pub(super) defaults: Parameters,
}

impl CheckValueOptions {
    /// What they say together.
    ///
    /// # Errors
    ///
    /// Which flag is wrong, and why.
    pub(super) fn context(self) -> Result<Context, String> {
        let mut select = Select::default();
        for word in &self.select {
            select.add(word).map_err(|error| format!("--select \"{word}\": {error}"))?;
        }
        let mut allow = Allow::default();
        for word in &self.allow {
            // Bits behind the mask mean nothing to nginx either.
            let _ = allow.add(word).map_err(|error| format!("--allow \"{word}\": {error}"))?;
        }
        let mut defaults = Overrides::default();
        for word in self.defaults.split_whitespace() {
            defaults.set_word(word).map_err(|error| format!("--defaults: {error}"))?;
        }
        let mut prefix = format!("{}/upstream/", self.prefix);
        let key = self.key.strip_prefix(&prefix).unwrap_or(&self.key).to_owned();
        if key.starts_with('/') {
            // A key in full, below the prefix of another upstream. No form depends on which it is.
            prefix.clear();
        }
        let reading =
            Reading { scheme: self.scheme, select, grouped_by: None, is_stream: self.stream };
        let defaults = defaults.apply(Parameters::default());
        Ok(Context { key, prefix, reading, allow, defaults })
    }
}
