//! Where the keys are read: etcd's v2 store or its v3 store, which know nothing of each other, also in one etcd.

use std::fmt;

use clap::ValueEnum;
use etcd_watch::{ClusterConfig, Identity, Login, Tls, Words};

use super::{
    options::MigrateOptions,
    plan::Entry,
    v2::{self, V2Error},
    v3::Store,
};
use crate::etcd::{Etcd, EtcdOptionsError};

/// One of etcd's two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Api {
    V2,
    V3,
}

impl fmt::Display for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V2 => "v2",
            Self::V3 => "v3",
        })
    }
}

/// An etcd that has keys.
pub(super) struct Source {
    /// It as one of v3; v2's keys have the same endpoints, prefix and user.
    pub(super) store: Store,
    api: Option<Api>,
}

impl Source {
    /// The one that the flags name.
    pub(super) fn new(options: &MigrateOptions) -> Result<Self, EtcdOptionsError> {
        // Flags of the target's are none of the source's, but for how long things may take and the prefix.
        let Etcd { config, prefix, .. } = options.etcd.anonymous_at(&options.from)?;
        let login = options.from_user.clone().zip(options.from_password_file.clone());
        let identity = options.from_cert.clone().zip(options.from_key.clone());
        let config = ClusterConfig {
            login: login.map(|(user, password_file)| Login { user, password_file }),
            tls: Tls {
                trusted_certificate: options.from_cacert.clone(),
                identity: identity.map(|(certificate, key)| Identity { certificate, key }),
                name: options.from_server_name.clone(),
            },
            words: Words::SOURCE_FLAGS,
            ..config
        };
        let prefix = options.from_prefix.clone().unwrap_or(prefix);
        Ok(Self { store: Store::new(Etcd { config, prefix, password: None }), api: options.from_api })
    }

    /// Reads the keys from the store that was named, or else from the one that has any.
    pub(super) async fn read(&self, is_target: bool) -> Result<(Api, Vec<Entry>), String> {
        if let Some(api) = self.api {
            return self.read_by(api).await;
        }
        let of_v2 = v2::read(&self.store.etcd).await;
        match of_v2 {
            Ok(keys) if !keys.is_empty() => {
                // The target's own v3 keys are what is written here.
                let rivals = if is_target { 0 } else { self.store.list().await.map_or(0, |keys| keys.len()) };
                if rivals > 0 {
                    return Err(format!(
                        "it has {} keys of v2 and {rivals} of v3 below {}: say with --from-api which are meant",
                        keys.len(),
                        self.store.prefix()
                    ));
                }
                Ok((Api::V2, keys))
            }
            Ok(_) | Err(V2Error::NotOffered(_)) => {
                let (_, keys) = self.read_by(Api::V3).await?;
                if let (true, Err(error)) = (keys.is_empty() || is_target, of_v2) {
                    return Err(format!(
                        "there is no key of v3 to copy below {}; and {error}",
                        self.store.prefix()
                    ));
                }
                Ok((Api::V3, keys))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads the keys from one of the stores.
    pub(super) async fn read_by(&self, api: Api) -> Result<(Api, Vec<Entry>), String> {
        let keys = match api {
            Api::V2 => v2::read(&self.store.etcd).await.map_err(|error| error.to_string())?,
            Api::V3 => self.store.list().await?.into_iter().map(Entry::from).collect(),
        };
        Ok((api, keys))
    }
}
