//! The names of all keys below a prefix, without their values, which may be many and large.

use std::time::Duration;

use etcd_watch::{
    Cluster,
    etcd_client::{GetOptions, GetResponse},
};

/// How long etcd may take for a page.
const DEADLINE: Duration = Duration::from_secs(10);

/// Keys of a page: etcd 3.4 visits all keys behind a page as well, so that there are not to be too
/// many pages.
const PAGE: i64 = 8_000;

/// The largest answer that is taken, in bytes.
const LARGEST: usize = 64 << 20;

/// The names in their order, all at one revision, without the prefix, which ends with a slash.
/// Each page is asked for `attempts` times.
///
/// # Errors
///
/// Why they cannot be read, in one line.
pub(super) async fn names(
    cluster: &Cluster,
    prefix: &str,
    attempts: usize,
) -> Result<Vec<Vec<u8>>, String> {
    let mut start = prefix.as_bytes().to_vec();
    // The byte behind a slash: the first key that does not begin with the prefix.
    let end = [prefix.trim_end_matches('/').as_bytes(), b"0"].concat();
    let (mut names, mut revision) = (Vec::new(), 0);
    loop {
        let mut page = page(cluster, prefix, &start, &end, revision).await;
        for _ in 1..attempts {
            if page.is_ok() {
                break;
            }
            page = self::page(cluster, prefix, &start, &end, revision).await;
        }
        let page = page?;
        revision = page.header().map_or(revision, |header| header.revision()).max(revision);
        names.extend(
            page.kvs()
                .iter()
                .filter_map(|pair| pair.key().strip_prefix(prefix.as_bytes()))
                .map(<[u8]>::to_vec),
        );
        match page.kvs().last() {
            // The next key that there can be.
            Some(last) if page.more() => start = [last.key(), b"\0"].concat(),
            _ => return Ok(names),
        }
    }
}

/// The keys from `start` on, at a revision, or at the present one if it is 0.
async fn page(
    cluster: &Cluster,
    prefix: &str,
    start: &[u8],
    end: &[u8],
    revision: i64,
) -> Result<GetResponse, String> {
    let get = cluster.call("get", prefix, DEADLINE, |client| async move {
        let options = GetOptions::new()
            .with_range(end)
            .with_keys_only()
            .with_limit(PAGE)
            .with_revision(revision);
        client.kv_client().max_decoding_message_size(LARGEST).get(start, Some(options)).await
    });
    get.await
}
