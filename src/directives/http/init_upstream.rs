//! The end of the configuration of an upstream of HTTP's: its directives are checked against each
//! other and against those of other modules.

use core::ptr::{self, NonNull};

use ngx::ffi::{NGX_LOG_EMERG, ngx_conf_t, ngx_http_upstream_srv_conf_t, ngx_int_t};

use super::{keepalive, others, servers};
use crate::{
    config::UpstreamConf,
    directives::settle::{self, Conflict, place_of_block},
    http::{self, HttpUpstream},
    nginx::{
        callback::{ERROR, OK, guard},
        log,
    },
};

type InitUpstream =
    unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_http_upstream_srv_conf_t) -> ngx_int_t;

/// Called by nginx when it has read the whole configuration: as
/// `ngx_http_upstream_init_round_robin`.
pub(super) unsafe extern "C" fn init_upstream(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes valid pointers.
        let (error_log, us) = unsafe { ((*cf).log, &mut *us) };
        let Some(upstream) = HttpUpstream::of(us) else { return ERROR };
        // SAFETY: nginx handles one upstream at a time, and nobody else has its settings.
        let conf = unsafe { upstream.settings_mut() };
        // SAFETY: as above; what belongs to the upstream is not in the configuration at hand.
        let settled = settle(unsafe { &*cf }, us, conf);
        let Some(etcd) = &conf.etcd else { return ERROR };
        let servers =
            settled.map_err(|conflict| conflict.message(&etcd.upstream, conf)).and_then(|()| {
                servers::read(us, conf.placeholder).map_err(|mistake| {
                    // SAFETY: nginx sets the name for each upstream that is written out.
                    let place = unsafe { place_of_block(us.file_name, us.line) };
                    format!("upstream \"{}\" {place}: {mistake}", etcd.upstream)
                })
            });
        let servers = match servers {
            Ok(servers) => servers,
            Err(message) => {
                log::to(NGX_LOG_EMERG, error_log, &message);
                return ERROR;
            }
        };
        // SAFETY: nginx passes a valid configuration, which is that of a cycle.
        settle::finish(conf, servers, unsafe { http::variable_names(cf) });
        let added = conf.etcd.as_ref().map(|etcd| upstream.upstream().add_zones(cf, etcd));
        if let Some(Err(message)) = added {
            log::to(NGX_LOG_EMERG, error_log, &message);
            return ERROR;
        }
        // It stays where it is for as long as the cycle.
        upstream.name.set(Some(NonNull::from(&mut us.host)));
        us.peer.init = Some(http::init_of(conf));
        OK
    })
}

/// Checks the directives of the upstream against each other and against those of other modules, and
/// settles what follows from these.
fn settle(
    cf: &ngx_conf_t,
    us: &mut ngx_http_upstream_srv_conf_t,
    conf: &mut UpstreamConf,
) -> Result<(), Conflict> {
    if !us.shm_zone.is_null() {
        return Err(Conflict::with_zone());
    }
    settle::check(conf)?;
    keepalive::settle(cf, us, conf)
        .map_err(|(problem, advice)| Conflict::new("etcd_keepalive", problem, advice))?;
    if conf.sticky.is_some() && others::has_sticky(cf, us) {
        let problem = "\"sticky\" cannot be used with \"etcd_sticky\"";
        return Err(Conflict::new("etcd_sticky", problem, ""));
    }
    conf.takes_hints = cfg!(nginx1_29_6) && conf.sticky.is_none() && !is_ours(us);
    #[cfg(nginx1_27_3)]
    if !us.resolver.is_null() || us.resolver_timeout != settle::UNSET_TIME {
        return Err(Conflict::with_resolver());
    }
    Ok(())
}

/// Whether nobody has put itself before `init_upstream`, as nginx's `keepalive` does.
fn is_ours(us: &ngx_http_upstream_srv_conf_t) -> bool {
    us.peer.init_upstream.is_some_and(|first| ptr::fn_addr_eq(first, init_upstream as InitUpstream))
}
