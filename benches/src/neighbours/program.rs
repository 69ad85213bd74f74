//! The programs.

use std::path::PathBuf;
use std::process::Command;

use harness::Result;
use serde::{Deserialize, Serialize};

/// One of them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Program {
    /// nginx with the module.
    Ours,
    /// nginx, reloaded at each change.
    Nginx,
    /// HAProxy, changed by its runtime API.
    Haproxy,
    /// Envoy, which reads its endpoints from a file.
    Envoy,
    /// Caddy, changed by its admin API.
    Caddy,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ours, Self::Nginx, Self::Haproxy, Self::Envoy, Self::Caddy];

    /// In the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "this module in nginx",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::Caddy => "Caddy",
        }
    }

    /// How a change is made.
    pub fn way(self) -> &'static str {
        match self {
            Self::Ours => "a key in etcd",
            Self::Nginx => "a reload",
            Self::Haproxy => "`set server`",
            Self::Envoy => "EDS in a file",
            Self::Caddy => "its admin API",
        }
    }

    /// Where it is: what a variable of the environment names.
    ///
    /// # Errors
    ///
    /// Where none is named.
    pub fn path(self) -> Result<PathBuf> {
        let (variable, usual) = match self {
            Self::Ours | Self::Nginx => ("NGINX", Some("nginx")),
            Self::Haproxy => ("HAPROXY", None),
            Self::Envoy => ("ENVOY", None),
            Self::Caddy => ("CADDY", None),
        };
        let named = std::env::var_os(variable).filter(|path| !path.is_empty());
        match (named, usual) {
            (Some(path), _) => Ok(path.into()),
            (None, Some(usual)) => Ok(usual.into()),
            (None, None) => Err(format!("{variable} names no program").into()),
        }
    }

    /// The number in what it says of its version; empty where it says nothing.
    pub fn version(self) -> String {
        let option = match self {
            Self::Envoy => "--version",
            Self::Caddy => "version",
            _ => "-v",
        };
        let said = self.path().ok().and_then(|path| Command::new(path).arg(option).output().ok());
        let text = said.map(|said| [said.stdout, said.stderr].concat()).unwrap_or_default();
        number(&String::from_utf8_lossy(&text)).to_owned()
    }
}

/// The first word with two points between numbers.
fn number(text: &str) -> &str {
    text.split(|other: char| !other.is_ascii_digit() && other != '.')
        .find(|word| word.split('.').filter(|part| !part.is_empty()).count() >= 3)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version) in [
            ("nginx version: nginx/1.22.1\n", "1.22.1"),
            ("HAProxy version 2.8.25 2026/01/01 - https://haproxy.org/\n", "2.8.25"),
            ("envoy  version: 0123abc/1.40.0/Clean/RELEASE/BoringSSL\n", "1.40.0"),
            ("v2.11.7 h1:abc=\n", "2.11.7"),
            ("", ""),
        ] {
            assert_eq!(number(said), version);
        }
    }
}
