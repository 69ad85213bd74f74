//! Why the router does not run.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

use super::{folders::FolderError, nginx::NginxError, render::RenderError};
use crate::etcd::EtcdOptionsError;

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
    #[error("--template: cannot read {0:?}: {1}")]
    Template(PathBuf, std::io::Error),
    #[error("cannot write {0:?}: {1}")]
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
