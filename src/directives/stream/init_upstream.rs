//! The end of the configuration of an upstream of stream's: its directives are checked against each
//! other and against those of other modules.

use core::ptr::NonNull;

use ngx::ffi::{NGX_LOG_EMERG, ngx_conf_t, ngx_int_t};

use super::servers;
use crate::{
    config::UpstreamConf,
    directives::settle::{self, Conflict, place_of_block},
    nginx::{
        callback::{ERROR, OK, guard},
        log,
        stream::ngx_stream_upstream_srv_conf_t,
    },
    stream::{self, StreamUpstream},
};

/// Called by nginx when it has read the whole block: as `ngx_stream_upstream_init_round_robin`.
pub(super) unsafe extern "C" fn init_upstream(
    cf: *mut ngx_conf_t,
    us: *mut ngx_stream_upstream_srv_conf_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes valid pointers.
        let (error_log, us) = unsafe { ((*cf).log, &mut *us) };
        let Some(upstream) = StreamUpstream::of(us) else { return ERROR };
        // SAFETY: nginx handles one upstream at a time, and nobody else has its settings.
        let conf = unsafe { upstream.settings_mut() };
        let settled = settle(us, conf);
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
        settle::finish(conf, servers, unsafe { stream::variable_names(cf) });
        let added = conf.etcd.as_ref().map(|etcd| upstream.upstream().add_zones(cf, etcd));
        if let Some(Err(message)) = added {
            log::to(NGX_LOG_EMERG, error_log, &message);
            return ERROR;
        }
        // It stays where it is for as long as the cycle.
        upstream.name.set(Some(NonNull::from(&mut us.host)));
        us.peer.init = Some(stream::init);
        OK
    })
}

/// Checks the directives of the upstream against each other and against those of other modules.
fn settle(us: &ngx_stream_upstream_srv_conf_t, conf: &UpstreamConf) -> Result<(), Conflict> {
    #[cfg(ngx_feature = "stream_upstream_zone")]
    if !us.shm_zone.is_null() {
        return Err(Conflict::with_zone());
    }
    settle::check(conf)?;
    #[cfg(all(nginx1_27_3, ngx_feature = "stream_upstream_zone"))]
    if !us.resolver.is_null() || us.resolver_timeout != settle::UNSET_TIME {
        return Err(Conflict::with_resolver());
    }
    Ok(())
}
