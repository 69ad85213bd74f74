//! A watch's responses without a connection, for fuzzing.

use etcd_client::proto::PbWatchResponse;

use crate::list::Listed;
use crate::range::Range;
use crate::update::{Cause, Update};
use crate::watch::Reader;

/// A prefix.
pub struct Prefix(Range);

/// What etcd says to a watch.
pub struct Responses<'a> {
    reader: Reader<'a>,
    is_created: bool,
}

impl Prefix {
    /// The keys that begin with these bytes.
    pub fn new(prefix: &[u8]) -> Self {
        Self(Range::new(prefix))
    }

    /// A watch after a list of that cluster and revision.
    pub fn watch(&self, cluster_id: u64, revision: i64) -> Responses<'_> {
        let listed = Listed { cluster_id, revision, keys: 0 };
        Responses { reader: Reader::after(&self.0, listed, usize::MAX), is_created: false }
    }
}

impl Responses<'_> {
    /// What the next response tells a follower. An error, with its words, ends the watch.
    pub fn read(&mut self, response: PbWatchResponse) -> Result<Update, (Cause, String)> {
        let word = if std::mem::replace(&mut self.is_created, true) {
            self.reader.read(response)
        } else {
            self.reader.created(response)
        };
        match word {
            Ok(word) => Ok(word.into()),
            Err(trouble) => Err((trouble.cause, trouble.said)),
        }
    }
}
