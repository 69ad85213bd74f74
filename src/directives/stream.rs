//! The directives of the stream module: those that need the structures of stream's, and the table
//! of all that it has.

mod balance;
mod etcd;
mod group;
mod init_upstream;
mod live_variables;
mod servers;

use core::mem::offset_of;

use directive_table::Context::{Stream, StreamUpstream};
use ngx::ffi::ngx_command_t;

use super::{
    allow, check, cluster, defaults, drain, select, statistics,
    table::{Module, Place, commands, count},
};
use crate::nginx::stream::{NGX_STREAM_MAIN_CONF, NGX_STREAM_UPS_CONF, ngx_stream_conf_ctx_t};

/// What nginx has to know of the module's directives.
const MODULE: Module = Module {
    places: &[
        Place {
            context: Stream,
            flags: NGX_STREAM_MAIN_CONF,
            conf: offset_of!(ngx_stream_conf_ctx_t, main_conf),
        },
        Place {
            context: StreamUpstream,
            flags: NGX_STREAM_UPS_CONF,
            conf: offset_of!(ngx_stream_conf_ctx_t, srv_conf),
        },
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
        ("etcd_select", select::etcd_select),
        ("etcd_statistics", statistics::etcd_statistics),
        ("etcd_variable", live_variables::etcd_variable),
    ],
};

/// The commands of the module.
pub(crate) static mut COMMANDS: [ngx_command_t; count(&MODULE) + 1] = commands(&MODULE);
