//! The directives of the HTTP module: those that need the structures of HTTP's, and the table of
//! all that it has.

mod balance;
mod etcd;
mod group;
mod init_upstream;
mod keepalive;
mod live_variables;
mod others;
mod servers;
mod status;
mod sticky;

use directive_table::Context::{Http, Location, Upstream};
use ngx::ffi::{
    NGX_HTTP_LOC_CONF, NGX_HTTP_MAIN_CONF, NGX_HTTP_MAIN_CONF_OFFSET, NGX_HTTP_SRV_CONF_OFFSET,
    NGX_HTTP_UPS_CONF, ngx_command_t,
};

use super::{
    allow, check, cluster, defaults, drain, select, statistics,
    table::{Module, Place, commands, count},
};

/// What nginx has to know of the module's directives.
const MODULE: Module = Module {
    places: &[
        Place { context: Http, flags: NGX_HTTP_MAIN_CONF, conf: NGX_HTTP_MAIN_CONF_OFFSET },
        Place { context: Upstream, flags: NGX_HTTP_UPS_CONF, conf: NGX_HTTP_SRV_CONF_OFFSET },
        Place { context: Location, flags: NGX_HTTP_LOC_CONF, conf: NGX_HTTP_MAIN_CONF_OFFSET },
    ],
    handlers: &[
        ("etcd_cluster", cluster::etcd_cluster),
        ("etcd", etcd::etcd),
        ("etcd_balance", balance::etcd_balance),
        ("etcd_defaults", defaults::etcd_defaults),
        ("etcd_allow", allow::etcd_allow),
        ("etcd_check", check::etcd_check),
        ("etcd_drain", drain::etcd_drain),
        ("etcd_geo", live_variables::etcd_geo),
        ("etcd_group", group::etcd_group),
        ("etcd_map", live_variables::etcd_map),
        ("etcd_keepalive", keepalive::etcd_keepalive),
        ("etcd_select", select::etcd_select),
        ("etcd_statistics", statistics::etcd_statistics),
        ("etcd_sticky", sticky::etcd_sticky),
        ("etcd_variable", live_variables::etcd_variable),
        ("etcd_status", status::etcd_status),
    ],
};

/// The commands of the module.
pub(crate) static mut COMMANDS: [ngx_command_t; count(&MODULE) + 1] = commands(&MODULE);
