//! The end of an upstream's configuration: what its directives, and those of other modules there,
//! come to.

use core::ptr;

use ngx::ffi::{NGX_LOG_EMERG, ngx_conf_t, ngx_http_upstream_srv_conf_t, ngx_int_t};

use super::{keepalive, others, servers};
use crate::{
    config::{DrainConf, UpstreamConf},
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
        let Some(etcd) = &conf.etcd else { return ERROR };
        if !us.shm_zone.is_null() {
            let message = format!(
                "\"zone\" cannot be used with \"etcd\" in upstream \"{}\", with \"etcd\" directive \
                 {}: use its parameter \"zone=\"",
                etcd.upstream, etcd.place
            );
            log::to(NGX_LOG_EMERG, error_log, &message);
            return ERROR;
        }
        // SAFETY: as above; what belongs to the upstream is not in the configuration at hand.
        let settled = settle(unsafe { &*cf }, us, conf);
        let Some(etcd) = &conf.etcd else { return ERROR };
        if let Err(message) = settled {
            let message = format!(
                "{message} in upstream \"{}\", with \"etcd\" directive {}",
                etcd.upstream, etcd.place
            );
            log::to(NGX_LOG_EMERG, error_log, &message);
            return ERROR;
        }
        let servers = match servers::read(us, conf.placeholder) {
            Ok(servers) => servers,
            Err(message) => {
                log::to(
                    NGX_LOG_EMERG,
                    error_log,
                    &format!("upstream \"{}\": {message}", etcd.upstream),
                );
                return ERROR;
            }
        };
        let naming = conf.naming();
        for mut peer in servers {
            peer.sticky = naming.id(&etcd.prefix, "", &peer.name, peer.route.as_deref());
            conf.servers.push(peer);
        }
        conf.is_balanced_here = true;
        us.peer.init = Some(http::init);
        OK
    })
}

/// What other modules' directives in the same upstream come to.
fn settle(
    cf: &ngx_conf_t,
    us: &mut ngx_http_upstream_srv_conf_t,
    conf: &mut UpstreamConf,
) -> Result<(), String> {
    if conf.check.is_none() {
        if conf.drain.as_ref().is_some_and(DrainConf::needs_checks) {
            return Err(
                "\"on=check\" in \"etcd_drain\" directive cannot be used without \"etcd_check\""
                    .to_owned(),
            );
        }
        if conf
            .etcd
            .as_ref()
            .is_some_and(|etcd| etcd.options.expiry_guard.is_some() && etcd.options.hold == 0)
        {
            return Err(
                "\"expiry_guard\" in \"etcd\" directive cannot be used with \"hold=0\" and \
                        without \"etcd_check\""
                    .to_owned(),
            );
        }
    }
    keepalive::settle(cf, us, conf)?;
    if conf.sticky.is_some() && others::has_sticky(cf, us) {
        return Err("\"sticky\" cannot be used with \"etcd_sticky\"".to_owned());
    }
    conf.takes_hints = cfg!(nginx1_29_6) && conf.sticky.is_none() && !is_ours(us);
    #[cfg(nginx1_27_3)]
    if !us.resolver.is_null() || us.resolver_timeout != others::UNSET {
        let message = "\"resolver\" and \"resolver_timeout\" cannot be used with \"etcd\", which \
                       resolves host names by the system's name servers";
        return Err(message.to_owned());
    }
    Ok(())
}

/// Whether nobody has put itself before `init_upstream`, as nginx's `keepalive` does.
fn is_ours(us: &ngx_http_upstream_srv_conf_t) -> bool {
    us.peer.init_upstream.is_some_and(|first| ptr::fn_addr_eq(first, init_upstream as InitUpstream))
}
