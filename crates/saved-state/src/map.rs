//! What a file of a map's entries holds, and how it is written down.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    error::StateError,
    first_line::MAP,
    lines::{Head, Lines, OtherPrefix, Writer, malformed, malformed_json},
};

/// A key below the prefix, with its value.
pub type SavedEntry = (Vec<u8>, Vec<u8>);

/// The entries of a map as they were published, and where and when etcd had them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedMap {
    /// The name of the cluster in nginx's configuration.
    pub cluster: String,
    /// The prefix of the keys; ends with a slash.
    pub prefix: String,
    /// etcd's own id of the cluster.
    pub cluster_id: u64,
    /// The revision up to which every change was applied; at least 1.
    pub revision: i64,
    /// The entries.
    pub entries: Vec<SavedEntry>,
}

/// Each line behind the second one.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EntryLine<'e> {
    #[serde(borrow)]
    key: Text<'e>,
    #[serde(borrow)]
    value: Text<'e>,
}

/// A key or a value: a string, or its bytes where these are not UTF-8.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Text<'t> {
    Text(#[serde(borrow)] Cow<'t, str>),
    Bytes(Cow<'t, [u8]>),
}

impl<'t> Text<'t> {
    fn of(bytes: &'t [u8]) -> Self {
        match str::from_utf8(bytes) {
            Ok(text) => Self::Text(Cow::Borrowed(text)),
            Err(_) => Self::Bytes(Cow::Borrowed(bytes)),
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_owned().into_bytes(),
            Self::Bytes(bytes) => bytes.into_owned(),
        }
    }
}

impl SavedMap {
    /// The entries as a file has them.
    ///
    /// The first line is `etcd-map VERSION crc32=CHECKSUM bytes=LENGTH`, of the version and all
    /// that follows the line. The second one is a JSON object with the map's `cluster`, `prefix`,
    /// `cluster_id` and `revision`, and each further one such an object with a `key` and its
    /// `value`: strings, or arrays of their bytes where these are not UTF-8.
    ///
    /// # Errors
    ///
    /// [`StateError::TooLong`] if the text has more than [`MAX_LENGTH`](crate::MAX_LENGTH) bytes.
    pub fn encode(&self) -> Result<Vec<u8>, StateError> {
        let mut writer = Writer::new(&Head {
            cluster: self.cluster.clone(),
            prefix: self.prefix.clone(),
            cluster_id: self.cluster_id,
            revision: self.revision,
            settings_prefix: None,
        })?;
        for (key, value) in &self.entries {
            writer.add(&EntryLine { key: Text::of(key), value: Text::of(value) })?;
        }
        writer.finish(MAP)
    }

    /// Reads what [`encode`](Self::encode) has made.
    ///
    /// # Errors
    ///
    /// Everything else, with the reason. It never panics, whatever the bytes are.
    pub fn parse(bytes: &[u8]) -> Result<Self, StateError> {
        let (head, lines) = Lines::read(MAP, bytes)?;
        let Head { cluster, prefix, cluster_id, revision, settings_prefix } = head;
        if settings_prefix.is_some() {
            return Err(malformed(2, "a map has no \"settings_prefix\"".to_owned()));
        }
        let entry = |(line, number): (&[u8], usize)| {
            let EntryLine { key, value } =
                serde_json::from_slice(line).map_err(|error| malformed_json(number, &error))?;
            Ok((key.into_bytes(), value.into_bytes()))
        };
        let entries = lines.map(entry).collect::<Result<_, StateError>>()?;
        Ok(Self { cluster, prefix, cluster_id, revision, entries })
    }

    /// That it is of this prefix of this cluster.
    ///
    /// # Errors
    ///
    /// [`OtherPrefix`] if it is of another cluster or prefix.
    pub fn check_for(&self, cluster: &str, prefix: &str) -> Result<(), OtherPrefix> {
        OtherPrefix::check((&self.cluster, &self.prefix), (cluster, prefix))
    }
}
