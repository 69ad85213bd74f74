//! The lines behind the first one, of whatever a file is of.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use upstream_peers::Excerpt;

use crate::{
    error::{MAX_LENGTH, StateError},
    first_line::Form,
};

/// A file of another prefix than the one that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("it is of the prefix {prefix} of the cluster {cluster}")]
pub struct OtherPrefix {
    /// The name of the cluster that the file is of.
    pub cluster: Excerpt,
    /// The prefix that the file is of.
    pub prefix: Excerpt,
}

impl OtherPrefix {
    /// That a file of this prefix of this cluster is the one that is wanted.
    pub(crate) fn check(file: (&str, &str), wanted: (&str, &str)) -> Result<(), Self> {
        if file == wanted {
            return Ok(());
        }
        let (cluster, prefix) = file;
        Err(Self { cluster: Excerpt::new(cluster), prefix: Excerpt::new(prefix) })
    }
}

/// What the second line says: where and when etcd had what follows.
pub(crate) struct Head {
    pub(crate) cluster: String,
    pub(crate) prefix: String,
    pub(crate) cluster_id: u64,
    pub(crate) revision: i64,
    pub(crate) settings_prefix: Option<String>,
}

/// The second line.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    cluster: String,
    prefix: String,
    /// In hexadecimal digits, as the log has it: many a reader of JSON takes numbers for floating
    /// ones.
    cluster_id: String,
    revision: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings_prefix: Option<String>,
}

/// A file that is being made.
pub(crate) struct Writer {
    /// All behind the first line.
    rest: Vec<u8>,
}

impl Writer {
    /// Begins with the second line.
    pub(crate) fn new(head: &Head) -> Result<Self, StateError> {
        let mut writer = Self { rest: Vec::new() };
        writer.add(&HeadLine {
            cluster: head.cluster.clone(),
            prefix: head.prefix.clone(),
            cluster_id: format!("{:x}", head.cluster_id),
            revision: head.revision,
            settings_prefix: head.settings_prefix.clone(),
        })?;
        Ok(writer)
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: &impl Serialize) -> Result<(), StateError> {
        // Nothing that is written here can fail: the types are numbers and strings, and memory
        // takes all.
        serde_json::to_writer(&mut self.rest, line)
            .map_err(|error| StateError::Malformed { line: 0, reason: error.to_string() })?;
        self.rest.push(b'\n');
        if self.rest.len() > MAX_LENGTH { Err(StateError::TooLong) } else { Ok(()) }
    }

    /// The whole file.
    pub(crate) fn finish(mut self, form: Form) -> Result<Vec<u8>, StateError> {
        let mut bytes = form.build(&self.rest).into_bytes();
        if bytes.len() + self.rest.len() > MAX_LENGTH {
            return Err(StateError::TooLong);
        }
        bytes.append(&mut self.rest);
        Ok(bytes)
    }
}

/// The lines of a file behind the second one, with their numbers, from 1.
pub(crate) struct Lines<'b> {
    rest: Option<&'b [u8]>,
    number: usize,
}

impl<'b> Lines<'b> {
    /// The second line, and those behind it, of a file that is whole.
    pub(crate) fn read(form: Form, bytes: &'b [u8]) -> Result<(Head, Self), StateError> {
        if bytes.len() > MAX_LENGTH {
            return Err(StateError::TooLong);
        }
        let rest = form.check(bytes)?;
        let Some(rest) = rest.strip_suffix(b"\n") else {
            return Err(malformed(2, "there is none, or the last one has no end".to_owned()));
        };
        // The first line is the one that is off already.
        let mut lines = Self { rest: Some(rest), number: 2 };
        let (line, number) = lines.next().unwrap_or_default();
        let head: HeadLine =
            serde_json::from_slice(line).map_err(|error| malformed_json(number, &error))?;
        let cluster_id = u64::from_str_radix(&head.cluster_id, 16)
            .map_err(|error| malformed(number, format!("\"cluster_id\": {error}")))?;
        if head.revision < 1 {
            return Err(malformed(number, "\"revision\" is not positive".to_owned()));
        }
        let HeadLine { cluster, prefix, revision, settings_prefix, .. } = head;
        Ok((Head { cluster, prefix, cluster_id, revision, settings_prefix }, lines))
    }
}

impl<'b> Iterator for Lines<'b> {
    type Item = (&'b [u8], usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let mut parts = rest.splitn(2, |&byte| byte == b'\n');
        let line = parts.next()?;
        self.rest = parts.next();
        self.number += 1;
        Some((line, self.number - 1))
    }
}

pub(crate) fn malformed(line: usize, reason: String) -> StateError {
    StateError::Malformed { line, reason }
}

/// A line is not the JSON that it should be.
pub(crate) fn malformed_json(line: usize, error: &serde_json::Error) -> StateError {
    malformed(line, Excerpt::new(&error.to_string()).to_string())
}
