//! What keeps keys from being copied.

use std::io;

use thiserror::Error;

use super::source::SourceError;
use crate::etcd::EtcdOptionsError;

/// Why keys are not copied, or not all of them.
#[derive(Debug, Error)]
pub(super) enum MigrateError {
    #[error("--from: {0}")]
    From(EtcdOptionsError),
    #[error("--to: {0}")]
    To(EtcdOptionsError),
    #[error("--from {endpoints}: {reason}")]
    Source { endpoints: String, reason: String },
    #[error("--to {endpoints}: {reason}")]
    Target { endpoints: String, reason: String },
    #[error("{0}")]
    Same(SourceError),
    #[error(
        "copying would let everybody publish: --to has no key with prefix {0}, and those of --from \
         are not copied (see the lines with \"skip\"); put one at --to without a lease, such as \
         {0}office with the value 10.0.0.0/8, and run this again"
    )]
    OpensPublishing(String),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{EtcdOptionsError, MigrateError, SourceError};
    use crate::migrate::v2::V2Error;

    #[test]
    fn messages_are_worded_so() {
        let (endpoints, reason) = (|| "http://a:1".to_owned(), || "no answer".to_owned());
        let not_offered = V2Error::NotOffered(endpoints());
        let same = |of_v2: String| {
            MigrateError::Same(SourceError::Same { prefix: "/firehose".to_owned(), of_v2 })
        };
        for (error, expected) in [
            (
                MigrateError::From(EtcdOptionsError::NoUser),
                "--from: a password is set, but --etcd-user (ETCD_USER) is not",
            ),
            (
                MigrateError::To(EtcdOptionsError::NoUser),
                "--to: a password is set, but --etcd-user (ETCD_USER) is not",
            ),
            (
                MigrateError::Source { endpoints: endpoints(), reason: reason() },
                "--from http://a:1: no answer",
            ),
            (
                MigrateError::Target { endpoints: endpoints(), reason: reason() },
                "--to http://a:1: no answer",
            ),
            (
                MigrateError::Source {
                    endpoints: endpoints(),
                    reason: SourceError::Failed(reason()).to_string(),
                },
                "--from http://a:1: no answer",
            ),
            (
                same("use --from-api v2 for the keys of API v2".to_owned()),
                "--from and --to are the same keys, those with prefix /firehose in API v3 (use \
                 --from-api v2 for the keys of API v2): change --from, --to, --from-prefix or \
                 --prefix",
            ),
            (
                same(not_offered.to_string()),
                "--from and --to are the same keys, those with prefix /firehose in API v3 \
                 (http://a:1 does not serve etcd's v2 API: etcd 3.4 and 3.5 need --enable-v2 \
                 (ETCD_ENABLE_V2=true), 3.6 and later do not have it): change --from, --to, \
                 --from-prefix or --prefix",
            ),
            (
                MigrateError::OpensPublishing("/firehose/nginx/put_allow/".to_owned()),
                "copying would let everybody publish: --to has no key with prefix \
                 /firehose/nginx/put_allow/, and those of --from are not copied (see the lines \
                 with \"skip\"); put one at --to without a lease, such as \
                 /firehose/nginx/put_allow/office with the value 10.0.0.0/8, and run this again",
            ),
            (
                MigrateError::Output(io::Error::other("closed")),
                "cannot write to standard output: closed",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
