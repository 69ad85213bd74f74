//! Why the router does not run.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

use super::{folders::FolderError, nginx::NginxError, render::RenderError};
use crate::{etcd::EtcdOptionsError, messages::quoted_path};

/// What keeps the router from running.
#[derive(Debug, Error)]
pub(crate) enum ServeError {
    #[error("{0}")]
    Options(#[from] EtcdOptionsError),
    #[error("{0}")]
    Folder(#[from] FolderError),
    #[error("{0}")]
    Nginx(#[from] NginxError),
    #[error("{0}")]
    Render(#[from] RenderError),
    #[error("--template: cannot read {path}: {1}", path = quoted_path(.0))]
    Template(PathBuf, std::io::Error),
    #[error("cannot write {path}: {1}", path = quoted_path(.0))]
    Write(PathBuf, std::io::Error),
    #[error("cannot receive signals: {0}")]
    Signals(std::io::Error),
    #[error("there is no user \"www-data\" or \"nginx\" to run nginx's workers: set --nginx-user")]
    NoUser,
}

impl ServeError {
    /// Whether it says something of the settings: nginx does not take them, or not now.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Nginx(error) if error.is_refusal())
    }

    /// Whether another setting can change it.
    pub(crate) fn is_of_several(&self) -> bool {
        matches!(self, Self::Nginx(error) if error.is_of_several())
    }

    /// When the same settings may be taken, if they may be later.
    pub(crate) fn retry(&self) -> Option<Duration> {
        match self {
            Self::Nginx(error) => error.retry(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use super::{FolderError, NginxError, RenderError, ServeError};

    #[test]
    fn messages_are_worded_so() {
        let file = || PathBuf::from("/a");
        let denied = || io::Error::other("denied");
        let errors: [(ServeError, &str); 16] = [
            (ServeError::Template(file(), denied()), "--template: cannot read \"/a\": denied"),
            (ServeError::Write(file(), denied()), "cannot write \"/a\": denied"),
            (ServeError::Signals(denied()), "cannot receive signals: denied"),
            (
                ServeError::NoUser,
                "there is no user \"www-data\" or \"nginx\" to run nginx's workers: set \
                 --nginx-user",
            ),
            (FolderError::Run(file(), denied()).into(), "cannot use --run-dir \"/a\": denied"),
            (
                FolderError::NoRun("denied".to_owned()).into(),
                "cannot use any directory for nginx's configuration (denied): set --run-dir",
            ),
            (
                FolderError::Taken(file()).into(),
                "--run-dir \"/a\" is in use by another router: each router needs its own",
            ),
            (
                FolderError::Name(file()).into(),
                "\"/a\" is not a valid directory in nginx's configuration: use an absolute path of \
                 letters, digits and \"/-_.+@~:\"",
            ),
            (
                FolderError::Unsafe(file(), "other users can write to it".to_owned()).into(),
                "\"/a\" is not safe: other users can write to it and could replace \
                 nginx's configuration",
            ),
            (
                NginxError::NoProgram(file()).into(),
                "cannot find nginx (\"/a\"): install it, or set --nginx to its path",
            ),
            (NginxError::NotRun(file(), denied()).into(), "cannot run \"/a\": denied"),
            (
                NginxError::NoModule(file()).into(),
                "the module is not at \"/a\": copy it there, or set --module to its path",
            ),
            (
                NginxError::Refused("unknown directive \"a\"".to_owned()).into(),
                "nginx -t failed: unknown directive \"a\"",
            ),
            (NginxError::TestHangs.into(), "nginx -t did not finish within 60 s"),
            (
                NginxError::Trial("bind() failed".to_owned()).into(),
                "a test run of these workers failed: bind() failed",
            ),
            (RenderError::Template("line 1".to_owned()).into(), "error in the template: line 1"),
        ];
        for (error, expected) in errors {
            assert_eq!(error.to_string(), expected);
        }
    }
}
