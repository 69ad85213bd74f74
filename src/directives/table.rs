//! The directives, as nginx's table wants them.

use core::ptr;

use ngx::{
    ffi::{
        NGX_CONF_1MORE, NGX_CONF_2MORE, NGX_CONF_ANY, NGX_CONF_BLOCK, NGX_CONF_NOARGS,
        NGX_CONF_TAKE1, NGX_DIRECT_CONF, NGX_HTTP_LOC_CONF, NGX_HTTP_MAIN_CONF,
        NGX_HTTP_MAIN_CONF_OFFSET, NGX_HTTP_SRV_CONF_OFFSET, NGX_HTTP_UPS_CONF, NGX_MAIN_CONF,
        ngx_command_t, ngx_str_t, ngx_uint_t,
    },
    ngx_string,
};

use super::{
    allow, balance, check, cluster, defaults, drain, etcd, geo, keepalive, sticky, variable,
};
use crate::{nginx::callback::Handler, status};

const fn directive(name: ngx_str_t, context: u32, set: Handler, conf: usize) -> ngx_command_t {
    ngx_command_t {
        name,
        type_: context as ngx_uint_t,
        set: Some(set),
        conf: conf as ngx_uint_t,
        offset: 0,
        post: ptr::null_mut(),
    }
}

/// What ends the table.
const END: ngx_command_t = ngx_command_t {
    name: ngx_str_t::empty(),
    type_: 0,
    set: None,
    conf: 0,
    offset: 0,
    post: ptr::null_mut(),
};

/// The directives of the core module.
pub(crate) static mut CORE: [ngx_command_t; 2] = [
    directive(
        ngx_string!("etcd_cluster"),
        NGX_MAIN_CONF | NGX_DIRECT_CONF | NGX_CONF_BLOCK | NGX_CONF_TAKE1,
        cluster::etcd_cluster,
        0,
    ),
    END,
];

/// Those of the HTTP module.
pub(crate) static mut HTTP: [ngx_command_t; 13] = [
    directive(
        ngx_string!("etcd_cluster"),
        NGX_HTTP_MAIN_CONF | NGX_CONF_BLOCK | NGX_CONF_TAKE1,
        cluster::etcd_cluster,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd"),
        NGX_HTTP_UPS_CONF | NGX_CONF_2MORE,
        etcd::etcd,
        NGX_HTTP_SRV_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_allow"),
        NGX_HTTP_UPS_CONF | NGX_CONF_1MORE,
        allow::etcd_allow,
        NGX_HTTP_SRV_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_balance"),
        NGX_HTTP_UPS_CONF | NGX_CONF_1MORE,
        balance::etcd_balance,
        NGX_HTTP_SRV_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_check"),
        NGX_HTTP_UPS_CONF | NGX_CONF_1MORE,
        check::etcd_check,
        NGX_HTTP_SRV_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_defaults"),
        NGX_HTTP_UPS_CONF | NGX_CONF_1MORE,
        defaults::etcd_defaults,
        NGX_HTTP_SRV_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_drain"),
        NGX_HTTP_UPS_CONF | NGX_CONF_ANY,
        drain::etcd_drain,
        NGX_HTTP_SRV_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_geo"),
        NGX_HTTP_MAIN_CONF | NGX_CONF_2MORE,
        geo::etcd_geo,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_keepalive"),
        NGX_HTTP_UPS_CONF | NGX_CONF_1MORE,
        keepalive::etcd_keepalive,
        NGX_HTTP_SRV_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_sticky"),
        NGX_HTTP_UPS_CONF | NGX_CONF_1MORE,
        sticky::etcd_sticky,
        NGX_HTTP_SRV_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_variable"),
        NGX_HTTP_MAIN_CONF | NGX_CONF_2MORE,
        variable::etcd_variable,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    directive(
        ngx_string!("etcd_status"),
        NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS,
        status::etcd_status,
        0,
    ),
    END,
];
