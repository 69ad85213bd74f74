//! `etcd_cluster NAME { … }`, at the top level of the configuration or in `http`.

mod block;

use core::ffi::c_void;

use directive_table::{ConfError, Directive, directive};
use ngx::{
    core::NGX_CONF_ERROR,
    ffi::{ngx_command_t, ngx_conf_include, ngx_conf_parse, ngx_conf_t},
};

use self::block::Block;
use super::args::{args, finish, place};
use crate::{
    config::ClusterConf,
    nginx::{
        callback::{ConfResult, guard},
        cycle_pool,
    },
    upstream::CoreConf,
};

const DIRECTIVE: &Directive = directive("etcd_cluster");

/// The handler of `etcd_cluster`.
pub(super) unsafe extern "C" fn etcd_cluster(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    _conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration.
        let cf = unsafe { &mut *cf };
        let mut logged = false;
        let result = read_cluster(cf, &mut logged);
        // nginx's parser has logged what it rejects.
        if logged { NGX_CONF_ERROR as ConfResult } else { finish(cf, result) }
    })
}

fn read_cluster(cf: &mut ngx_conf_t, logged: &mut bool) -> Result<(), ConfError> {
    let args = args(cf)?;
    let name = DIRECTIVE
        .parse(&args[1..])?
        .argument(0, |name| (!name.is_empty()).then(|| name.to_owned()))?;
    let core = CoreConf::of_conf(cf).ok_or_else(|| DIRECTIVE.is_outside("main"))?;
    let place = place(cf);
    if let Some(first) = core.clusters.iter().find(|cluster| cluster.config.name == name) {
        let detail = format!(", it was specified earlier {}", first.place);
        return Err(DIRECTIVE.duplicate_argument(0, &name).with_detail(detail));
    }
    let mut block = Block::default();
    let saved = *cf;
    cf.handler = Some(inside);
    cf.handler_conf = (&raw mut block).cast();
    // SAFETY: with a null file name nginx reads on to the end of the block, and calls the handler
    // with `block` for each directive.
    let result = unsafe { ngx_conf_parse(cf, core::ptr::null_mut()) };
    *cf = saved;
    if !result.is_null() {
        *logged = true;
        return Ok(());
    }
    let cluster = ClusterConf { config: block.finish(name)?, place };
    let cluster = cycle_pool::allocate(cf, cluster).ok_or_else(|| DIRECTIVE.no_memory())?;
    core.clusters.push(cluster);
    Ok(())
}

/// Handles a directive inside the block.
unsafe extern "C" fn inside(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and what `read_cluster` has set as
        // `handler_conf`.
        let (args, block) = unsafe { (args(&*cf), &mut *conf.cast::<Block>()) };
        match args {
            Ok(args) if args.len() == 2 && args[0] == "include" => {
                // SAFETY: as the `types` block does it: the handler stays set for the included
                // file.
                unsafe { ngx_conf_include(cf, command, conf) }
            }
            Ok(args) => {
                // SAFETY: as above; nothing else refers to the configuration now.
                let result = block.read(unsafe { &*cf }, &args);
                finish(cf, result)
            }
            Err(error) => finish(cf, Err(error)),
        }
    })
}
