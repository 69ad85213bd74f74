//! The parameters of `etcd`, behind the cluster and the prefix.

use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::{ngx_conf_t, ngx_pagesize};

use super::{
    args::{milliseconds, size},
    state_file,
};
use crate::config::EtcdOptions;

const DIRECTIVE: &Directive = directive("etcd");

/// The smallest zone, in pages: as for nginx's own `zone` (ngx_http_upstream_zone_module.c).
const MIN_ZONE_PAGES: usize = 8;

/// Reads the directive's parameters.
pub(super) fn read(cf: &ngx_conf_t, args: &Args<'_>) -> Result<EtcdOptions, ConfError> {
    Ok(EtcdOptions {
        zone_size: zone_size(args)?,
        state: state_file::read(cf, DIRECTIVE, args)?,
        hold: args.need("hold", milliseconds)?,
        scheme: args.read("scheme", scheme)?,
        is_one_address: args.need("names", addresses_of_names)?,
        expiry_guard: args.read("expiry_guard", percent)?,
    })
}

fn zone_size(args: &Args<'_>) -> Result<usize, ConfError> {
    let bytes = args.need("zone", size)?;
    // SAFETY: nginx sets it at its start.
    let least = MIN_ZONE_PAGES * unsafe { ngx_pagesize };
    if bytes < least {
        let expects = format!("a size of at least {}k", least / 1024);
        let text = args.value("zone").unwrap_or_default();
        return Err(DIRECTIVE.invalid_value_of("zone", text, &expects));
    }
    Ok(bytes)
}

/// The scheme of a URL.
fn scheme(text: &str) -> Option<String> {
    let is_scheme = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        });
    is_scheme.then(|| text.to_owned())
}

/// Whether only the first address of each host name is used.
fn addresses_of_names(text: &str) -> Option<bool> {
    match text {
        "all" => Some(false),
        "first" => Some(true),
        _ => None,
    }
}

/// 1 to 99, with a percent sign.
fn percent(text: &str) -> Option<u8> {
    let percent = text.strip_suffix('%').and_then(|digits| digits.parse().ok());
    percent.filter(|percent| (1..100).contains(percent))
}
