//! All keys of a prefix at one revision, in pages.

use std::fmt;
use std::time::Duration;

use etcd_client::proto::{PbKeyValue, PbRangeResponse};
use etcd_client::{Client, GetOptions};

use crate::limits::Limits;
use crate::trouble::{Kind, Trouble, is_too_large};
use crate::update::{Cause, Item};

mod pace;

use pace::Pace;

/// Keys asked for at once. One page of peers (some 200 bytes each) is 200 kB: few round trips for
/// tens of thousands of peers, and no answer that holds up the other prefixes on the connection.
const PAGE_KEYS: i64 = 1_000;

/// By how much a page shrinks when its answer is larger than [`MESSAGE_LIMIT`]: from 1 000 keys to
/// one in five steps.
const PAGE_SHRINK: i64 = 4;

/// The largest message taken from etcd, in bytes. It must hold one key of any size that etcd takes
/// (1.5 MB unless `--max-request-bytes` raises it). A page of 1 000 keys that exceeds it is asked
/// for in smaller pages; a change that exceeds it is listed anew.
pub(crate) const MESSAGE_LIMIT: usize = 16 << 20;

/// As much of a prefix as is quoted, in characters.
const QUOTED: usize = 100;

/// A prefix as the range of keys that begin with it, or one key.
#[derive(Debug)]
pub(crate) struct Range {
    prefix: Vec<u8>,
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl Range {
    /// The range of the keys below a prefix. A key that is the prefix itself is not among them:
    /// other programs write one as the mark of a folder, with a value of their own.
    pub(crate) fn new(prefix: &[u8]) -> Self {
        // The key that comes next after the prefix, and for all keys the first one that etcd can
        // have.
        let start = [prefix, &[0]].concat();
        // "\0" as an end means the end of all keys.
        let mut end = prefix.to_vec();
        while end.pop_if(|byte| *byte == u8::MAX).is_some() {}
        match end.last_mut() {
            Some(byte) => *byte += 1,
            None => end.push(0),
        }
        Self { prefix: prefix.to_vec(), start, end }
    }

    /// The range of all keys that begin with a prefix, the prefix itself among them.
    pub(crate) fn beginning(prefix: &[u8]) -> Self {
        Self { start: prefix.to_vec(), ..Self::new(prefix) }
    }

    /// The range of one key alone; what is [`below`](Self::below) it is "".
    pub(crate) fn of_key(key: &[u8]) -> Self {
        let end = [key, &[0]].concat();
        Self { prefix: key.to_vec(), start: key.to_vec(), end }
    }

    /// The key without the prefix.
    pub(crate) fn below(&self, mut key: Vec<u8>) -> Result<Vec<u8>, Trouble> {
        if !key.starts_with(&self.prefix) {
            return Err(Trouble::broken("etcd sent a key outside the prefix"));
        }
        key.drain(..self.prefix.len());
        Ok(key)
    }

    pub(crate) fn item(&self, pair: PbKeyValue) -> Result<Item, Trouble> {
        Ok(Item {
            key: self.below(pair.key)?,
            value: pair.value,
            create_revision: pair.create_revision,
            mod_revision: pair.mod_revision,
            lease: pair.lease,
        })
    }
}

impl fmt::Display for Range {
    /// As a part of a sentence.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix: String = String::from_utf8_lossy(&self.prefix).chars().take(QUOTED).collect();
        // Not the text itself, which may have control characters in it.
        if self.end.strip_suffix(&[0]) == Some(&self.start) {
            write!(formatter, "the key {prefix:?}")
        } else {
            write!(formatter, "{prefix:?}")
        }
    }
}

/// All keys of a prefix.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) cluster_id: u64,
    pub(crate) revision: i64,
    pub(crate) items: Vec<Item>,
}

/// What a watch goes on from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(crate) cluster_id: u64,
    pub(crate) revision: i64,
    pub(crate) keys: usize,
}

impl List {
    pub(crate) fn listed(&self) -> Listed {
        let Self { cluster_id, revision, items } = self;
        Listed { cluster_id: *cluster_id, revision: *revision, keys: items.len() }
    }
}

/// Lists the range: all pages at the revision of the first, each of which may take `deadline`, and
/// together as long as what they bring is worth. More than the limits allow is refused when the
/// first page has told of it, before the rest is read.
pub(crate) async fn list(
    client: &Client,
    range: &Range,
    limits: &Limits,
    deadline: Duration,
) -> Result<List, Trouble> {
    let mut pages = Pages::new(range, limits);
    let mut pace = Pace::new(deadline);
    let mut kv = client.kv_client().max_decoding_message_size(MESSAGE_LIMIT);
    let mut keys = PAGE_KEYS;
    loop {
        let options = GetOptions::new()
            .with_range(range.end.clone())
            .with_limit(keys)
            .with_revision(pages.revision());
        match pace.wait(kv.get(pages.start.clone(), Some(options))).await {
            Ok(Ok(page)) => {
                let (before, bytes) = (pages.keys(), pages.bytes);
                if let Some(list) = pages.add(page.0)? {
                    return Ok(list);
                }
                pace.gain(pages.keys() - before, pages.bytes - bytes);
            }
            Ok(Err(error)) if keys > 1 && is_too_large(&error) => {
                keys = (keys / PAGE_SHRINK).max(1)
            }
            Ok(Err(error)) => return Err(Trouble::call("list", &error, Cause::Unreachable)),
            Err(_) if pages.keys() == 0 => {
                return Err(Trouble::late(Cause::Unreachable, "list", deadline));
            }
            Err(_) => return Err(pages.slow(&pace)),
        }
    }
}

/// The pages so far.
struct Pages<'a> {
    range: &'a Range,
    limits: &'a Limits,
    /// How many keys there are to come in all, as the first page has it.
    count: i64,
    /// The first key that is still to come.
    start: Vec<u8>,
    bytes: usize,
    list: Option<List>,
}

impl<'a> Pages<'a> {
    fn new(range: &'a Range, limits: &'a Limits) -> Self {
        Self { range, limits, count: 0, start: range.start.clone(), bytes: 0, list: None }
    }

    /// How many have come.
    fn keys(&self) -> usize {
        self.list.as_ref().map_or(0, |list| list.items.len())
    }

    /// They do not come fast enough.
    fn slow(&self, pace: &Pace) -> Trouble {
        let said = format!(
            "list: only {} of {} keys have come in {:.1} s",
            self.keys(),
            self.count,
            pace.taken().as_secs_f64()
        );
        Trouble { is_late: true, ..Trouble::endpoint(Cause::Unreachable, Kind::Slow, &said) }
    }

    fn too_many(&self, what: &str) -> Trouble {
        let said = format!("{} has {what}: {}", self.range, self.limits.remedy);
        Trouble::refused(Cause::TooLarge, Kind::TooMany, &said)
    }

    /// The revision to ask for: 0 is the newest.
    fn revision(&self) -> i64 {
        self.list.as_ref().map_or(0, |list| list.revision)
    }

    /// Adds a page, and hands the list out when it was the last one.
    ///
    /// A server that does not advance through the keys, or never comes to their end, is an error.
    fn add(&mut self, page: PbRangeResponse) -> Result<Option<List>, Trouble> {
        let broken = |said| Err(Trouble::broken(said));
        let Some(header) = page.header else {
            return broken("list: etcd's answer has no header");
        };
        if self.list.is_none() {
            self.count = page.count;
        }
        let keys = self.keys() + page.kvs.len();
        let keys = keys.max(usize::try_from(self.count).unwrap_or(0));
        if keys > self.limits.keys {
            return Err(self.too_many(&format!("{keys} keys, more than {}", self.limits.keys)));
        }
        let list = self.list.get_or_insert(List {
            cluster_id: header.cluster_id,
            revision: header.revision,
            items: Vec::with_capacity(page.kvs.len()),
        });
        if list.revision <= 0 {
            return broken("list: etcd's answer has no revision");
        }
        if list.cluster_id != header.cluster_id {
            return broken("list: another cluster answered before the list was complete");
        }
        if page.more && page.kvs.is_empty() {
            return broken("list: etcd sent an empty page before the last");
        }
        for pair in page.kvs {
            if pair.key < self.start {
                return broken("list: etcd sent keys out of order");
            }
            self.start.clone_from(&pair.key);
            self.start.push(0);
            self.bytes += pair.key.len() + pair.value.len() + size_of::<Item>();
            list.items.push(self.range.item(pair)?);
        }
        if self.bytes > self.limits.bytes {
            return Err(self.too_many(&format!("more than {} MiB", self.limits.bytes >> 20)));
        }
        Ok(if page.more { None } else { self.list.take() })
    }
}

#[cfg(test)]
mod tests {
    use etcd_client::proto::{PbKeyValue, PbRangeResponse, PbResponseHeader};

    use super::{Pages, Range};
    use crate::limits::Limits;
    use crate::trouble::Kind;
    use crate::update::Cause;

    const LIMITS: Limits = Limits { keys: 4, bytes: 4 << 10, remedy: "raise \"zone=\"" };

    fn page(keys: &[&str], more: bool, cluster_id: u64) -> PbRangeResponse {
        let header = PbResponseHeader { cluster_id, revision: 7, ..Default::default() };
        let pair = |key: &&str| PbKeyValue { key: key.as_bytes().to_vec(), ..Default::default() };
        PbRangeResponse {
            header: Some(header),
            kvs: keys.iter().map(pair).collect(),
            more,
            count: 0,
        }
    }

    fn pages(range: &Range) -> Pages<'_> {
        Pages::new(range, &LIMITS)
    }

    #[test]
    fn ranges() {
        let range = Range::new(b"/a/");
        assert_eq!(
            (range.start.as_slice(), range.end.as_slice()),
            (b"/a/\0".as_slice(), b"/a0".as_slice())
        );
        let range = Range::new(b"");
        assert_eq!((range.start, range.end), (vec![0], vec![0]));
        assert_eq!(Range::new(&[b'a', 0xff, 0xff]).end, b"b");
        assert_eq!(Range::new(&[0xff]).end, [0]);
        let range = Range::of_key(b"/a");
        assert_eq!(
            (range.start.as_slice(), range.end.as_slice()),
            (b"/a".as_slice(), b"/a\0".as_slice())
        );
        assert_eq!(range.below(b"/a".to_vec()).ok(), Some(vec![]));
        assert!(Range::new(b"/a/").below(b"/b/x".to_vec()).is_err());
        assert_eq!(Range::new(b"/a\n/").to_string(), "\"/a\\n/\"");
        assert_eq!(Range::of_key(b"/a").to_string(), "the key \"/a\"");
    }

    #[test]
    fn pages_are_joined() {
        let range = Range::new(b"/");
        let mut pages = pages(&range);
        assert_eq!(pages.revision(), 0);
        assert!(pages.add(page(&["/0", "/a"], true, 1)).is_ok_and(|list| list.is_none()));
        assert_eq!((pages.revision(), pages.start.as_slice()), (7, b"/a\0".as_slice()));
        let list = pages.add(page(&["/b"], false, 1)).ok().flatten();
        let keys: Vec<_> =
            list.into_iter().flat_map(|list| list.items).map(|item| item.key).collect();
        assert_eq!(keys, [b"0".to_vec(), b"a".to_vec(), b"b".to_vec()]);
    }

    #[test]
    fn a_server_that_makes_no_sense_is_an_error() {
        let range = Range::new(b"/");
        assert!(pages(&range).add(page(&[], true, 1)).is_err());
        assert!(pages(&range).add(page(&["/b", "/a"], false, 1)).is_err());
        assert!(pages(&range).add(page(&["x"], false, 1)).is_err());
        assert!(
            pages(&range).add(PbRangeResponse { header: None, ..page(&[], false, 1) }).is_err()
        );
        let mut repeated = pages(&range);
        assert!(repeated.add(page(&["/a"], true, 1)).is_ok());
        assert!(repeated.add(page(&["/a"], true, 1)).is_err());
        let mut another = pages(&range);
        assert!(another.add(page(&["/a"], true, 1)).is_ok());
        assert!(another.add(page(&["/b"], true, 2)).is_err());
    }
    #[test]
    fn what_is_too_much_is_refused_as_soon_as_it_is_known() {
        let range = Range::new(b"/");
        let said = |page| {
            let trouble = pages(&range).add(page).err();
            trouble.map(|trouble| (trouble.cause, trouble.kind, trouble.turn, trouble.said))
        };
        let refused = |said: &str| Some((Cause::TooLarge, Kind::TooMany, false, said.to_owned()));
        let counted = PbRangeResponse { count: 5, ..page(&["/a"], true, 1) };
        assert_eq!(said(counted), refused("\"/\" has 5 keys, more than 4: raise \"zone=\""));
        let uncounted = page(&["/a", "/b", "/c", "/d", "/e"], false, 1);
        assert_eq!(said(uncounted), refused("\"/\" has 5 keys, more than 4: raise \"zone=\""));
        let mut large = page(&["/a"], false, 1);
        large.kvs[0].value = vec![0; LIMITS.bytes];
        assert_eq!(said(large), refused("\"/\" has more than 0 MiB: raise \"zone=\""));
        let full = PbRangeResponse { count: 4, ..page(&["/a", "/b", "/c", "/d"], false, 1) };
        assert!(pages(&range).add(full).is_ok_and(|list| list.is_some()));
    }
}
