//! The parameters of `etcd`, behind the cluster and the prefix.

use ngx::ffi::{ngx_conf_t, ngx_pagesize};

use super::{
    args::{Mistake, milliseconds, size},
    state_file,
};
use crate::config::EtcdOptions;

/// The zone where nothing else is said.
const ZONE_SIZE: usize = 1 << 20;

/// The smallest zone, in pages: as for nginx's own `zone` (ngx_http_upstream_zone_module.c).
const MIN_ZONE_PAGES: usize = 8;

/// For how long (ms) peers outlive a wiped etcd where nothing else is said: as long as the leases
/// of announcers usually last, so that each has had the time to notice, and to announce its node
/// again.
const HOLD: u64 = 60_000;

/// Reads the directive's words behind the prefix.
pub(super) fn read(cf: &ngx_conf_t, words: &[String]) -> Result<EtcdOptions, Mistake> {
    let (mut zone_size, mut state, mut hold, mut expiry_guard) = (None, None, None, None);
    for word in words {
        match word.split_once('=') {
            Some(("zone", text)) => set(&mut zone_size, "zone", read_zone(text)?)?,
            Some(("state", text)) => set(&mut state, "state", state_file::read(cf, text)?)?,
            Some(("hold", text)) => {
                let time = milliseconds(text);
                set(&mut hold, "hold", time.ok_or_else(|| invalid("time", text, "hold"))?)?;
            }
            Some(("expiry_guard", text)) => {
                set(&mut expiry_guard, "expiry_guard", read_percent(text)?)?
            }
            _ => return Err(format!("invalid parameter \"{word}\" in \"etcd\"").into()),
        }
    }
    let zone_size = zone_size.unwrap_or(ZONE_SIZE);
    Ok(EtcdOptions { zone_size, state, hold: hold.unwrap_or(HOLD), expiry_guard })
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Mistake> {
    if place.replace(value).is_some() {
        return Err(format!("duplicate parameter \"{name}\" in \"etcd\"").into());
    }
    Ok(())
}

fn invalid(what: &str, text: &str, name: &str) -> Mistake {
    format!("invalid {what} \"{text}\" of \"{name}\" in \"etcd\"").into()
}

fn read_zone(text: &str) -> Result<usize, Mistake> {
    let bytes = size(text).ok_or_else(|| invalid("size", text, "zone"))?;
    // SAFETY: nginx sets it at its start.
    let least = MIN_ZONE_PAGES * unsafe { ngx_pagesize };
    if bytes < least {
        return Err(format!(
            "the \"zone\" of {text} in \"etcd\" is too small: at least {}k are needed",
            least / 1024
        )
        .into());
    }
    Ok(bytes)
}

/// 1 to 99, with a percent sign.
fn read_percent(text: &str) -> Result<u8, Mistake> {
    let percent = text.strip_suffix('%').and_then(|digits| digits.parse().ok());
    percent.filter(|percent| (1..100).contains(percent)).ok_or_else(|| {
        format!("invalid share \"{text}\" of \"expiry_guard\" in \"etcd\": 1% to 99% are needed")
            .into()
    })
}
