//! `etcd` and `etcd_defaults`, in an `upstream`, and the handlers of the other directives there.

use core::{ffi::c_void, ptr};

use ngx::{
    core::{NGX_CONF_ERROR, Pool},
    ffi::{
        AF_INET, NGX_LOG_EMERG, ngx_addr_t, ngx_array_push, ngx_command_t, ngx_conf_t,
        ngx_http_upstream_server_t, ngx_http_upstream_srv_conf_t, ngx_int_t, sockaddr_in,
    },
    http::{HttpModuleMainConf, HttpModuleServerConf, NgxHttpUpstreamModule},
    ngx_string,
};
use upstream_peers::Overrides;

use super::{
    Etcd, UpstreamConf, allow,
    args::{Mistake, finish, place, words},
    balance, check,
    drain::{self, DrainConf},
    etcd_options::EtcdOptions,
    keepalive, others, servers, state_file, sticky,
};
use crate::{
    http::peer,
    module::Module,
    nginx::callback::{ConfResult, ERROR, OK, guard},
    zones,
};

/// The longest prefix, in bytes; etcd has no limit of its own, but a key below the prefix is shown
/// with it in every line of the log.
const MAX_PREFIX_LENGTH: usize = 512;

type InitUpstream =
    unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_http_upstream_srv_conf_t) -> ngx_int_t;

pub(super) type Parser = fn(&mut ngx_conf_t, &mut UpstreamConf, &[String]) -> Result<(), Mistake>;

pub(super) fn handle(cf: *mut ngx_conf_t, conf: *mut c_void, parse: Parser) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and the one of the upstream that this module
        // made.
        let (cf, conf) = unsafe { (&mut *cf, &mut *conf.cast::<UpstreamConf>()) };
        let result = words(cf).and_then(|words| parse(cf, conf, &words[1..]));
        finish(cf, result)
    })
}

/// The handler of `etcd`.
pub(super) unsafe extern "C" fn etcd(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    handle(cf, conf, set_etcd)
}

/// The handler of `etcd_allow`.
pub(super) unsafe extern "C" fn etcd_allow(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    handle(cf, conf, allow::set)
}

/// The handler of `etcd_balance`.
pub(super) unsafe extern "C" fn etcd_balance(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    handle(cf, conf, balance::set)
}

/// The handler of `etcd_check`.
pub(super) unsafe extern "C" fn etcd_check(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    handle(cf, conf, check::set)
}

/// The handler of `etcd_defaults`.
pub(super) unsafe extern "C" fn etcd_defaults(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    handle(cf, conf, set_defaults)
}

/// The handler of `etcd_drain`.
pub(super) unsafe extern "C" fn etcd_drain(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    handle(cf, conf, drain::set)
}

/// The handler of `etcd_sticky`.
pub(super) unsafe extern "C" fn etcd_sticky(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    handle(cf, conf, sticky::set)
}

fn set_etcd(cf: &mut ngx_conf_t, conf: &mut UpstreamConf, words: &[String]) -> Result<(), Mistake> {
    if conf.etcd.is_some() {
        return Err("\"etcd\" directive is duplicate".into());
    }
    let [cluster, prefix, options @ ..] = words else {
        return Err("\"etcd\" needs a cluster and a prefix".into());
    };
    let prefix = read_prefix(prefix)?;
    let options = EtcdOptions::read(cf, options)?;

    let us: *mut ngx_http_upstream_srv_conf_t = NgxHttpUpstreamModule::server_conf_mut(cf)
        .ok_or("\"etcd\" stands outside of an \"upstream\"")?;
    // SAFETY: nginx made it for the upstream at hand.
    let us = unsafe { &mut *us };
    let name = us
        .host
        .to_str()
        .map_err(|_| "the name of an upstream with \"etcd\" must be UTF-8")?
        .to_owned();
    if us.peer.init_upstream.is_some() {
        return Err(format!(
            "\"etcd\" in upstream \"{name}\" must stand before \"keepalive\" and \"sticky\", and \
             takes no other load balancing method beside it: use \"etcd_balance\""
        )
        .into());
    }
    us.peer.init_upstream = Some(init_upstream);
    conf.placeholder =
        push_placeholder(cf, us).ok_or("no memory for the configuration of \"etcd\"")?;

    let main = Module::main_conf_mut(cf).ok_or("\"etcd\" stands outside of \"http\"")?;
    if let Some(file) = &options.state {
        state_file::check_is_alone(main, file)?;
    }
    let etcd = Etcd { upstream: name, cluster: cluster.clone(), prefix, options, place: place(cf) };
    conf.cycle = cf.cycle;
    zones::add_upstream(cf, conf, &etcd)?;
    zones::add_told(cf, conf, &etcd)?;
    conf.etcd = Some(etcd);
    zones::add_lease(cf, main)?;
    conf.number = u16::try_from(main.upstreams.len()).ok();
    main.upstreams.push(conf);
    Ok(())
}

fn read_prefix(prefix: &str) -> Result<String, Mistake> {
    if prefix.is_empty() || prefix == "/" {
        return Err(format!(
            "the prefix \"{prefix}\" in \"etcd\" would be every key of the cluster"
        )
        .into());
    }
    if prefix.len() > MAX_PREFIX_LENGTH {
        return Err(
            format!("the prefix in \"etcd\" is longer than {MAX_PREFIX_LENGTH} bytes").into()
        );
    }
    if prefix.chars().any(char::is_control) {
        return Err("the prefix in \"etcd\" has control characters".into());
    }
    check_end(prefix, "etcd")?;
    Ok(if prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") })
}

/// That a prefix does not end in two slashes: with the one that is added where it lacks, nobody
/// means the second.
pub(super) fn check_end(prefix: &str, directive: &str) -> Result<(), Mistake> {
    if prefix.ends_with("//") {
        return Err(format!(
            "the prefix \"{prefix}\" in \"{directive}\" ends in more than one \"/\""
        )
        .into());
    }
    Ok(())
}

/// nginx refuses an upstream without servers before a module can object, and so does each of its
/// own methods. Returns the place among the upstream's servers.
fn push_placeholder(cf: &ngx_conf_t, us: &mut ngx_http_upstream_srv_conf_t) -> Option<usize> {
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    let address = pool.calloc_type::<ngx_addr_t>();
    let socket_address = pool.calloc_type::<sockaddr_in>();
    // SAFETY: nginx makes the array before it reads the block.
    let server = unsafe { ngx_array_push(us.servers) }.cast::<ngx_http_upstream_server_t>();
    if server.is_null() || address.is_null() || socket_address.is_null() {
        return None;
    }
    // SAFETY: all three were given out just now; zeroes are a valid value of each.
    unsafe {
        (*socket_address).sin_family = AF_INET as _;
        (*address).sockaddr = socket_address.cast();
        (*address).socklen = size_of::<sockaddr_in>() as _;
        (*address).name = ngx_string!("etcd");
        ptr::write_bytes(server, 0, 1);
        (*server).name = ngx_string!("etcd");
        (*server).addrs = address;
        (*server).naddrs = 1;
        (*server).weight = 1;
        (*server).down = 1;
        Some((*us.servers).nelts - 1)
    }
}

/// That the upstream has `etcd`, as every other directive of the module's there needs it.
pub(super) fn needs_etcd(conf: &UpstreamConf, directive: &str) -> Result<(), Mistake> {
    if conf.etcd.is_none() {
        return Err(format!(
            "\"{directive}\" must stand behind the \"etcd\" directive of the same upstream"
        )
        .into());
    }
    Ok(())
}

fn set_defaults(
    _cf: &mut ngx_conf_t,
    conf: &mut UpstreamConf,
    words: &[String],
) -> Result<(), Mistake> {
    needs_etcd(conf, "etcd_defaults")?;
    if conf.defaults.is_some() {
        return Err("\"etcd_defaults\" directive is duplicate".into());
    }
    let mut defaults = Overrides::default();
    let mut names = Vec::new();
    for word in words {
        let name = word.split('=').next().unwrap_or(word);
        if names.contains(&name) {
            return Err(format!("duplicate parameter \"{name}\" in \"etcd_defaults\"").into());
        }
        names.push(name);
        if !["weight", "max_conns", "max_fails", "fail_timeout", "slow_start"].contains(&name) {
            return Err(format!("invalid parameter \"{word}\" in \"etcd_defaults\"").into());
        }
        // That there is such a variable is checked at the end of the configuration: it may stand
        // behind the upstream.
        if let Some(variable) =
            word.strip_prefix("max_conns=").filter(|value| value.starts_with('$'))
        {
            conf.max_conns_variable = Some(variable.to_owned());
            continue;
        }
        defaults.set_word(word).map_err(|error| format!("in \"etcd_defaults\": {error}"))?;
        // As in a "server" of nginx's: a peer without a weight is one that gets no requests, and
        // all of them would.
        if defaults.weight == Some(0) {
            return Err(
                "in \"etcd_defaults\": parameter \"weight\" is \"0\": no peer would get a request"
                    .into(),
            );
        }
    }
    conf.defaults = Some(defaults);
    Ok(())
}

/// Called by nginx when it has read the whole configuration: as
/// `ngx_http_upstream_init_round_robin`.
unsafe extern "C" fn init_upstream(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes valid pointers.
        let (log, us) = unsafe { ((*cf).log, &mut *us) };
        let Some(conf) = UpstreamConf::of(us) else { return ERROR };
        let Some(etcd) = &conf.etcd else { return ERROR };
        if !us.shm_zone.is_null() {
            let message = format!(
                "\"zone\" cannot be used in upstream \"{}\", whose peers are in the zone of its \
                 \"etcd\" directive {}: use \"zone=\" there",
                etcd.upstream, etcd.place
            );
            crate::nginx::log::to(NGX_LOG_EMERG, log, &message);
            return ERROR;
        }
        // SAFETY: as above; what belongs to the upstream is not in the configuration at hand.
        let settled = settle(unsafe { &*cf }, us, conf);
        let Some(etcd) = &conf.etcd else { return ERROR };
        if let Err(message) = settled {
            let message = format!(
                "{message} in upstream \"{}\", whose \"etcd\" directive stands {}",
                etcd.upstream, etcd.place
            );
            crate::nginx::log::to(NGX_LOG_EMERG, log, &message);
            return ERROR;
        }
        let servers = match servers::read(us, conf.placeholder) {
            Ok(servers) => servers,
            Err(message) => {
                crate::nginx::log::to(
                    NGX_LOG_EMERG,
                    log,
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
        us.peer.init = Some(peer::init);
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
                "\"on=check\" in \"etcd_drain\" has no effect without \"etcd_check\"".to_owned()
            );
        }
        if conf
            .etcd
            .as_ref()
            .is_some_and(|etcd| etcd.options.expiry_guard.is_some() && etcd.options.hold == 0)
        {
            return Err("\"expiry_guard\" in \"etcd\" has no effect with \"hold=0\" and without \
                        \"etcd_check\": peers are kept while they pass their checks, or for as \
                        long as \"hold\" says"
                .to_owned());
        }
    }
    keepalive::settle(cf, us, conf)?;
    if conf.sticky.is_some() && others::has_sticky(cf, us) {
        return Err("\"sticky\" and \"etcd_sticky\" cannot both be used".to_owned());
    }
    conf.takes_hints = cfg!(nginx1_29_6) && conf.sticky.is_none() && !is_ours(us);
    #[cfg(nginx1_27_3)]
    if !us.resolver.is_null() || us.resolver_timeout != others::UNSET {
        let message = "\"resolver\" and \"resolver_timeout\" have no effect beside \"etcd\", which \
                       resolves the names of its peers itself, by the system's name servers: they \
                       cannot be used";
        return Err(message.to_owned());
    }
    Ok(())
}

/// Whether nobody has put itself before `init_upstream`, as nginx's `keepalive` does.
fn is_ours(us: &ngx_http_upstream_srv_conf_t) -> bool {
    us.peer.init_upstream.is_some_and(|first| ptr::fn_addr_eq(first, init_upstream as InitUpstream))
}
