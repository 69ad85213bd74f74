//! What has been said of an upstream's keys, in a zone of its own: it outlives watchers and
//! reloads, and takes nothing of the peers' zone.

use ngx::ffi::ngx_conf_t;

use super::shared_value::SharedValue;
use crate::config::Etcd;

/// How many things can be remembered of an upstream, eight bytes each and twice (see
/// [`live_value::ValueCell`]): 2 MB of addresses, of which as much takes memory as is ever written.
pub(crate) const MAX_LOGGED_LINES: usize = 1 << 17;

/// What has been said, as hashes in the machine's order of bytes.
pub(crate) type LoggedLines = live_value::ValueCell<MAX_LOGGED_LINES>;

/// Asks nginx for the zone of what is said of an upstream.
///
/// # Errors
///
/// As [`SharedValue::add`].
pub(crate) fn add_logged_lines(
    cf: *mut ngx_conf_t,
    etcd: &Etcd,
) -> Result<&'static SharedValue<LoggedLines>, String> {
    SharedValue::add(cf, &format!("etcd:logged:{}@{}:{}", etcd.upstream, etcd.cluster, etcd.prefix))
}
