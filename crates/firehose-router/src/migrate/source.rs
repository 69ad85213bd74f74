//! Where the keys are read: etcd's v2 store or its v3 store, which know nothing of each other, also
//! in one etcd.

use std::fmt;

use clap::ValueEnum;
use thiserror::Error;

use super::{
    plan::Entry,
    v2::{self, V2Error},
    v3::Store,
};

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

/// Why there is nothing to copy.
#[derive(Debug, Error)]
pub(super) enum SourceError {
    #[error(
        "--from and --to are the same keys, those with prefix {prefix} in API v3 ({of_v2}): change \
         --from, --to, --from-prefix or --prefix"
    )]
    Same { prefix: String, of_v2: String },
    #[error("{0}")]
    Failed(String),
}

/// An etcd that has keys.
pub(super) struct Source {
    /// It as one of v3; v2's keys have the same endpoints, prefix and user.
    pub(super) store: Store,
    api: Option<Api>,
}

impl Source {
    /// An etcd whose keys are in the store that is named, or else in the one that has any.
    pub(super) const fn new(store: Store, api: Option<Api>) -> Self {
        Self { store, api }
    }

    /// Whether keys of v3 that are read here would be those that are written there.
    pub(super) fn is(&self, target: &Store) -> bool {
        let bare = |endpoint: &String| endpoint.trim_end_matches('/').to_owned();
        let there: Vec<_> = target.etcd.config.endpoints.iter().map(bare).collect();
        let mut here = self.store.etcd.config.endpoints.iter().map(bare);
        self.store.prefix() == target.prefix() && here.any(|endpoint| there.contains(&endpoint))
    }

    /// Reads the keys from the store that was named, or else from the one that has any.
    pub(super) async fn read(&self, is_target: bool) -> Result<(Api, Vec<Entry>), SourceError> {
        match self.api {
            Some(Api::V3) if is_target => {
                return Err(self.same("use --from-api v2 for the keys of API v2"));
            }
            Some(api) => {
                let keys = self.read_by(api).await?;
                return if has_any(&keys) {
                    Ok((api, keys))
                } else {
                    Err(self.nothing(&[(api, &keys)], None))
                };
            }
            None => {}
        }
        let (of_v2, not_offered) = match v2::read(&self.store.etcd).await {
            Ok(keys) => (keys, None),
            Err(error @ V2Error::NotOffered(_)) => (Vec::new(), Some(error)),
            Err(error @ V2Error::Failed(_)) => {
                return Err(SourceError::Failed(format!(
                    "{error}; use --from-api v3 to read only the keys of API v3"
                )));
            }
        };
        if has_any(&of_v2) {
            // The target's own v3 keys are what is written here.
            let of_v3 =
                if is_target { Vec::new() } else { self.store.list().await.unwrap_or_default() };
            let rivals = of_v3.into_iter().map(Entry::from).filter(Entry::is_routers).count();
            if rivals > 0 {
                return Err(SourceError::Failed(format!(
                    "it has {} keys in API v2 and {rivals} in API v3 below {}: choose with \
                     --from-api",
                    of_v2.iter().filter(|entry| entry.is_routers()).count(),
                    self.store.prefix()
                )));
            }
            return Ok((Api::V2, of_v2));
        }
        if is_target {
            return Err(match not_offered {
                Some(error) => self.same(&error.to_string()),
                None => self.same("there are no keys in API v2"),
            });
        }
        let of_v3 = self.read_by(Api::V3).await?;
        if has_any(&of_v3) {
            return Ok((Api::V3, of_v3));
        }
        Err(match not_offered {
            Some(error) => self.nothing(&[(Api::V3, &of_v3)], Some(&error)),
            None => self.nothing(&[(Api::V2, &of_v2), (Api::V3, &of_v3)], None),
        })
    }

    /// That what would be read is what would be written; `of_v2` says why it is not v2's keys.
    fn same(&self, of_v2: &str) -> SourceError {
        SourceError::Same { prefix: self.store.prefix().to_owned(), of_v2: of_v2.to_owned() }
    }

    /// That there is no setting and no node, where that was looked for, and what else may have been
    /// meant.
    fn nothing(&self, looked: &[(Api, &Vec<Entry>)], not_offered: Option<&V2Error>) -> SourceError {
        let prefix = self.store.prefix();
        let apis: Vec<_> = looked.iter().map(|(api, _)| format!("API {api}")).collect();
        let others: usize = looked.iter().map(|(_, keys)| keys.len()).sum();
        let mut said = format!(
            "no settings ({prefix}/nginx/) and no nodes ({prefix}/upstream/) in {}",
            apis.join(" or in ")
        );
        if others > 0 {
            said.push_str(&format!(
                ", but {others} other keys below {prefix}: is the prefix incomplete? ({})",
                looked
                    .iter()
                    .flat_map(|(_, keys)| keys.first())
                    .map(Entry::shown)
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        said.push_str("; try another --from-prefix or another --from");
        match (not_offered, self.api) {
            (Some(error), _) => said.push_str(&format!("; API v2 was not read: {error}")),
            (None, Some(Api::V2)) => said.push_str(", or --from-api v3"),
            (None, Some(Api::V3)) => said.push_str(", or --from-api v2"),
            (None, None) => {}
        }
        SourceError::Failed(said)
    }

    /// Reads the keys from one of the stores.
    pub(super) async fn read_by(&self, api: Api) -> Result<Vec<Entry>, SourceError> {
        Ok(match api {
            Api::V2 => v2::read(&self.store.etcd)
                .await
                .map_err(|error| SourceError::Failed(error.to_string()))?,
            Api::V3 => {
                let items = self.store.list().await.map_err(SourceError::Failed)?;
                items.into_iter().map(Entry::from).collect()
            }
        })
    }
}

/// Whether there is a setting or a node.
fn has_any(keys: &[Entry]) -> bool {
    keys.iter().any(Entry::is_routers)
}
