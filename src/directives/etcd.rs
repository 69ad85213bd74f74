//! `etcd CLUSTER PREFIX …`, in an `upstream`, as far as it is the same for all protocols: its peers
//! are in etcd.

use core::ptr::NonNull;

use directive_table::{ConfError, Directive, directive};
use ngx::{
    core::Pool,
    ffi::{AF_INET, ngx_addr_t, ngx_conf_t, sockaddr_in},
    ngx_string,
};

use super::{args::place, etcd_options, keys::prefix, state_file};
use crate::{
    config::{Etcd, EtcdOptions, Kind},
    upstream::{CoreConf, Upstream},
};

pub(super) const DIRECTIVE: &Directive = directive("etcd");

/// What the directive says.
pub(super) struct Words {
    cluster: String,
    prefix: String,
    options: EtcdOptions,
}

/// Reads the directive's arguments.
pub(super) fn read(
    cf: &ngx_conf_t,
    upstream: &Upstream,
    args: &[String],
) -> Result<Words, ConfError> {
    // SAFETY: nginx handles one directive at a time, and nobody else has the settings.
    unsafe { upstream.settings_mut() }.seen.add(DIRECTIVE, place(cf))?;
    let args = DIRECTIVE.parse(args)?;
    let cluster = args.arguments()[0].clone();
    let prefix = args.argument(1, prefix)?;
    Ok(Words { cluster, prefix, options: etcd_options::read(cf, &args)? })
}

/// The upstream of this name follows etcd; `placeholder` is the place of the server that the
/// protocol, which is `kind`, has added.
pub(super) fn follow(
    cf: &mut ngx_conf_t,
    core: &CoreConf,
    upstream: &'static Upstream,
    name: String,
    words: Words,
    (kind, placeholder): (Kind, usize),
) -> Result<(), ConfError> {
    let Words { cluster, prefix, options } = words;
    check_is_alone(core, &name, kind)?;
    if let Some(file) = &options.state {
        state_file::check_is_alone(core, DIRECTIVE, file, |_| false)?;
    }
    let etcd = Etcd { upstream: name, cluster, prefix, options, place: place(cf) };
    upstream.set_cycle(cf.cycle);
    core.add_lease(cf)?;
    // SAFETY: nginx handles one directive at a time, and nobody else has the settings.
    let settings = unsafe { upstream.settings_mut() };
    settings.kind = kind;
    settings.placeholder = placeholder;
    settings.etcd = Some(etcd);
    settings.number = u16::try_from(core.upstreams.len()).ok();
    core.upstreams.push(upstream);
    Ok(())
}

/// That no upstream of another protocol has this name: logs, the status and metrics tell upstreams
/// apart by their names.
fn check_is_alone(core: &CoreConf, name: &str, kind: Kind) -> Result<(), ConfError> {
    let mut others = core.upstreams.iter().map(Upstream::settings);
    let Some(other) = others.find_map(|conf| {
        let etcd = conf.etcd.as_ref().filter(|etcd| etcd.upstream == name)?;
        Some((conf.kind, &etcd.place))
    }) else {
        return Ok(());
    };
    let (other, place) = (other.0.name(), other.1);
    let error = ConfError::from(format!(
        "duplicate upstream \"{name}\" with \"etcd\" directive in \"{}\", rename it or the one in \
         \"{other}\"",
        kind.name(),
    ));
    Err(error.with_detail(format!(", it was specified earlier {place}")))
}

/// The address of a server that stands for none; `None` where memory is short.
pub(super) fn placeholder_address(cf: &ngx_conf_t) -> Option<NonNull<ngx_addr_t>> {
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    let mut address = NonNull::new(pool.calloc_type::<ngx_addr_t>())?;
    let mut socket_address = NonNull::new(pool.calloc_type::<sockaddr_in>())?;
    // SAFETY: both were given out just now; zeroes are a valid value of each.
    let (of_address, of_socket_address) = unsafe { (address.as_mut(), socket_address.as_mut()) };
    of_socket_address.sin_family = AF_INET as _;
    of_address.sockaddr = socket_address.as_ptr().cast();
    of_address.socklen = size_of::<sockaddr_in>() as _;
    of_address.name = ngx_string!("etcd");
    Some(address)
}
