//! All keys of a prefix at one revision, in pages.

use std::time::Duration;

use etcd_client::proto::PbRangeResponse;
use etcd_client::{Client, GetOptions};

use crate::limits::Limits;
use crate::range::{Part, Range};
use crate::trouble::{Kind, Trouble, is_too_large};
use crate::update::{Cause, Item};

mod pace;
mod page_size;

use pace::Pace;
use page_size::PageSize;

/// The largest message taken from etcd, in bytes. It must hold one key of any size that etcd takes
/// (1.5 MB unless `--max-request-bytes` raises it). A page that exceeds it is asked for in smaller
/// pages; after a change that exceeds it, the prefix is listed again.
pub(crate) const MESSAGE_LIMIT: usize = 16 << 20;

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
    let mut size = PageSize::new();
    loop {
        let options = GetOptions::new()
            .with_range(pages.part.end.clone())
            .with_limit(size.keys())
            .with_revision(pages.revision());
        let taken = pace.taken();
        match pace.wait(kv.get(pages.part.start.clone(), Some(options))).await {
            Ok(Ok(page)) => {
                let (keys, bytes) = (pages.keys(), pages.bytes);
                if let Some(list) = pages.add(page.0)? {
                    return Ok(list);
                }
                let (keys, bytes) = (pages.keys() - keys, pages.bytes - bytes);
                pace.gain(keys, bytes);
                size.note_page(keys, bytes, pace.taken() - taken, deadline);
            }
            Ok(Err(error)) if is_too_large(&error) && size.shrink() => {}
            Ok(Err(error)) => return Err(Trouble::call("list", &error, Cause::Unreachable)),
            Err(_) if size.restart() => pace.refill(),
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
    /// How many keys there are to come in all, as the first page of each part has it.
    count: i64,
    /// What is still to come of the present part.
    part: Part,
    /// The parts behind it.
    parts: std::vec::IntoIter<Part>,
    /// Whether a page of the present part has come.
    has_begun: bool,
    bytes: usize,
    list: Option<List>,
}

impl<'a> Pages<'a> {
    fn new(range: &'a Range, limits: &'a Limits) -> Self {
        let mut parts = range.parts().into_iter();
        let part = parts.next().unwrap_or_default();
        Self { range, limits, count: 0, part, parts, has_begun: false, bytes: 0, list: None }
    }

    /// How many have come.
    fn keys(&self) -> usize {
        self.list.as_ref().map_or(0, |list| list.items.len())
    }

    /// They do not come fast enough.
    fn slow(&self, pace: &Pace) -> Trouble {
        let said = format!(
            "list: only {} of {} keys arrived in {:.1} s",
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
        let nonsense = |said| Err(Trouble::nonsense(said));
        let Some(header) = page.header else {
            return nonsense("list: etcd's answer has no header");
        };
        if !std::mem::replace(&mut self.has_begun, true) {
            self.count = i64::try_from(self.keys()).unwrap_or(i64::MAX).saturating_add(page.count);
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
            return nonsense("list: etcd's answer has no revision");
        }
        if list.cluster_id != header.cluster_id {
            return nonsense("list: another cluster answered before the list was complete");
        }
        if page.more && page.kvs.is_empty() {
            return nonsense("list: etcd sent an empty page before the last");
        }
        for pair in page.kvs {
            if pair.key < self.part.start {
                return nonsense("list: etcd sent keys out of order");
            }
            self.part.start.clone_from(&pair.key);
            self.part.start.push(0);
            self.bytes += pair.key.len() + pair.value.len() + size_of::<Item>();
            list.items.push(self.range.item(pair)?);
        }
        if self.bytes > self.limits.bytes {
            return Err(self.too_many(&format!("more than {} MiB", self.limits.bytes >> 20)));
        }
        if page.more {
            return Ok(None);
        }
        Ok(match self.parts.next() {
            Some(part) => {
                (self.part, self.has_begun) = (part, false);
                None
            }
            None => self.list.take(),
        })
    }
}

#[cfg(test)]
mod tests {
    use etcd_client::proto::{PbKeyValue, PbRangeResponse, PbResponseHeader};

    use super::Pages;
    use crate::limits::Limits;
    use crate::range::Range;
    use crate::trouble::Kind;
    use crate::update::Cause;

    const LIMITS: Limits = Limits { keys: 4, bytes: 4 << 10, remedy: "increase \"zone\"" };

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
    fn pages_are_joined() {
        let range = Range::new(b"/");
        let mut pages = pages(&range);
        assert_eq!(pages.revision(), 0);
        assert!(pages.add(page(&["/0", "/a"], true, 1)).is_ok_and(|list| list.is_none()));
        assert_eq!((pages.revision(), pages.part.start.as_slice()), (7, b"/a\0".as_slice()));
        let list = pages.add(page(&["/b"], false, 1)).ok().flatten();
        let keys: Vec<_> =
            list.into_iter().flat_map(|list| list.items).map(|item| item.key).collect();
        assert_eq!(keys, [b"0".to_vec(), b"a".to_vec(), b"b".to_vec()]);
    }

    #[test]
    fn what_is_left_out_is_not_asked_for_and_does_not_count() {
        let range = Range::new(b"/").without(b"/m/");
        let mut pages = pages(&range);
        let part = |pages: &Pages<'_>| (pages.part.start.clone(), pages.part.end.clone());
        assert_eq!(part(&pages), (b"/\0".to_vec(), b"/m/".to_vec()));
        let first = PbRangeResponse { count: 2, ..page(&["/a", "/m"], false, 1) };
        assert!(pages.add(first).is_ok_and(|list| list.is_none()));
        assert_eq!((part(&pages), pages.revision()), ((b"/m0".to_vec(), b"0".to_vec()), 7));
        let second = PbRangeResponse { count: 2, ..page(&["/n", "/o"], false, 1) };
        let list = pages.add(second).ok().flatten().map(|list| list.items.len());
        assert_eq!(list, Some(4));
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
        assert_eq!(said(counted), refused("\"/\" has 5 keys, more than 4: increase \"zone\""));
        let uncounted = page(&["/a", "/b", "/c", "/d", "/e"], false, 1);
        assert_eq!(said(uncounted), refused("\"/\" has 5 keys, more than 4: increase \"zone\""));
        let mut large = page(&["/a"], false, 1);
        large.kvs[0].value = vec![0; LIMITS.bytes];
        assert_eq!(said(large), refused("\"/\" has more than 0 MiB: increase \"zone\""));
        let full = PbRangeResponse { count: 4, ..page(&["/a", "/b", "/c", "/d"], false, 1) };
        assert!(pages(&range).add(full).is_ok_and(|list| list.is_some()));
    }
}
