//! The end of an upstream's configuration: its directives are checked against each other and
//! against those of other modules.

use core::{ffi::CStr, ptr};

use ngx::ffi::{NGX_LOG_EMERG, ngx_conf_t, ngx_http_upstream_srv_conf_t, ngx_int_t};

use super::{keepalive, others, servers};
use crate::{
    config::{DrainConf, Etcd, UpstreamConf},
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
                    format!("upstream \"{}\" {}: {mistake}", etcd.upstream, place_of_block(us))
                })
            });
        let servers = match servers {
            Ok(servers) => servers,
            Err(message) => {
                log::to(NGX_LOG_EMERG, error_log, &message);
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

/// What is wrong with a directive of the module because of the others in the same upstream.
struct Conflict {
    directive: &'static str,
    /// What is wrong, which names the directive.
    problem: String,
    /// What to do instead; may be empty.
    advice: String,
}

impl Conflict {
    fn new(directive: &'static str, problem: impl Into<String>) -> Self {
        Self { directive, problem: problem.into(), advice: String::new() }
    }

    fn message(&self, upstream: &str, conf: &UpstreamConf) -> String {
        let Self { directive, problem, advice } = self;
        let place = conf.place_of(directive);
        let advice = if advice.is_empty() { String::new() } else { format!(": {advice}") };
        format!(
            "{problem} in upstream \"{upstream}\", with \"{directive}\" directive {place}{advice}"
        )
    }
}

/// Where the block `upstream` is: nginx keeps no places of `server` lines.
fn place_of_block(us: &ngx_http_upstream_srv_conf_t) -> String {
    // SAFETY: nginx sets the name for each upstream that is written out; it ends with a zero byte.
    let file = unsafe { CStr::from_ptr(us.file_name.cast()) };
    format!("in {}:{}", file.to_string_lossy(), us.line)
}

/// Checks the directives of the upstream against each other and against those of other modules, and
/// settles what follows from these.
fn settle(
    cf: &ngx_conf_t,
    us: &mut ngx_http_upstream_srv_conf_t,
    conf: &mut UpstreamConf,
) -> Result<(), Conflict> {
    if !us.shm_zone.is_null() {
        return Err(Conflict {
            advice: "use its parameter \"zone=\"".to_owned(),
            ..Conflict::new("etcd", "\"zone\" cannot be used with \"etcd\"")
        });
    }
    if conf.check.is_none() {
        if conf.drain.as_ref().is_some_and(DrainConf::needs_checks) {
            return Err(Conflict::new(
                "etcd_drain",
                "\"on=check\" cannot be used without \"etcd_check\"",
            ));
        }
        let is_guarded =
            |etcd: &Etcd| etcd.options.expiry_guard.is_some() && etcd.options.hold == 0;
        if conf.etcd.as_ref().is_some_and(is_guarded) {
            return Err(Conflict::new(
                "etcd",
                "\"expiry_guard\" cannot be used with \"hold=0\" and without \"etcd_check\"",
            ));
        }
    }
    keepalive::settle(cf, us, conf).map_err(|(problem, advice)| Conflict {
        advice,
        ..Conflict::new("etcd_keepalive", problem)
    })?;
    if conf.sticky.is_some() && others::has_sticky(cf, us) {
        return Err(Conflict::new("etcd_sticky", "\"sticky\" cannot be used with \"etcd_sticky\""));
    }
    conf.takes_hints = cfg!(nginx1_29_6) && conf.sticky.is_none() && !is_ours(us);
    #[cfg(nginx1_27_3)]
    if !us.resolver.is_null() || us.resolver_timeout != others::UNSET {
        return Err(Conflict {
            advice: "the module resolves host names by the system's name servers".to_owned(),
            ..Conflict::new(
                "etcd",
                "\"resolver\" and \"resolver_timeout\" cannot be used with \"etcd\"",
            )
        });
    }
    Ok(())
}

/// Whether nobody has put itself before `init_upstream`, as nginx's `keepalive` does.
fn is_ours(us: &ngx_http_upstream_srv_conf_t) -> bool {
    us.peer.init_upstream.is_some_and(|first| ptr::fn_addr_eq(first, init_upstream as InitUpstream))
}
