//! `etcd_cluster NAME { endpoint URL...; connect_timeout TIME; }`

use core::ffi::c_void;
use std::time::Duration;

use etcd_watch::{ClusterConfig, check_endpoint};
use ngx::{
    core::NGX_CONF_ERROR,
    ffi::{ngx_command_t, ngx_conf_include, ngx_conf_parse, ngx_conf_t},
};

use super::{
    MainConf,
    arguments::{Mistake, finish, milliseconds, words},
};
use crate::module::{ConfResult, guard};

/// How long a connection to etcd may take where nothing else is said, as in DESIGN's example: long enough for a TLS handshake
/// across a slow link, short enough to turn to the next endpoint within a few seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What has been read of a block so far.
#[derive(Default)]
struct Block {
    endpoints: Vec<String>,
    connect_timeout: Option<Duration>,
}

/// The handler of `etcd_cluster`.
pub(super) unsafe extern "C" fn etcd_cluster(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and the main configuration that this module made.
        let (cf, main) = unsafe { (&mut *cf, &mut *conf.cast::<MainConf>()) };
        let mut logged = false;
        let result = read_cluster(cf, main, &mut logged);
        // What nginx's own parser refused it has logged already.
        if logged { NGX_CONF_ERROR as ConfResult } else { finish(cf, result) }
    })
}

fn read_cluster(cf: &mut ngx_conf_t, main: &mut MainConf, logged: &mut bool) -> Result<(), Mistake> {
    let name = words(cf)?.swap_remove(1);
    if name.is_empty() {
        return Err("\"etcd_cluster\" needs a name".into());
    }
    if main.clusters.iter().any(|cluster| cluster.name == name) {
        return Err(format!("duplicate \"etcd_cluster\" \"{name}\"").into());
    }
    let mut block = Block::default();
    let saved = *cf;
    cf.handler = Some(inside);
    cf.handler_conf = (&raw mut block).cast();
    // SAFETY: with a null file name nginx reads on to the end of the block, and calls the handler with `block` for each directive.
    let result = unsafe { ngx_conf_parse(cf, core::ptr::null_mut()) };
    *cf = saved;
    if !result.is_null() {
        *logged = true;
        return Ok(());
    }
    if block.endpoints.is_empty() {
        return Err(format!("\"etcd_cluster\" \"{name}\" has no \"endpoint\"").into());
    }
    main.clusters.push(ClusterConfig {
        name,
        endpoints: block.endpoints,
        connect_timeout: block.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
    });
    Ok(())
}

/// Handles a directive inside the block.
unsafe extern "C" fn inside(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and what `read_cluster` has set as `handler_conf`.
        let (words, block) = unsafe { (words(&*cf), &mut *conf.cast::<Block>()) };
        match words {
            Ok(words) if words.len() == 2 && words[0] == "include" => {
                // SAFETY: as the `types` block does it: the handler stays set for the included file.
                unsafe { ngx_conf_include(cf, command, conf) }
            }
            Ok(words) => finish(cf, read_directive(&words, block)),
            Err(mistake) => finish(cf, Err(mistake)),
        }
    })
}

fn read_directive(words: &[String], block: &mut Block) -> Result<(), Mistake> {
    let (name, values) = (words[0].as_str(), &words[1..]);
    match name {
        "endpoint" => {
            if values.is_empty() {
                return Err("\"endpoint\" in \"etcd_cluster\" needs one or more URLs".into());
            }
            for url in values {
                check_endpoint(url).map_err(|error| {
                    format!("invalid URL \"{url}\" in \"endpoint\" of \"etcd_cluster\": {error}")
                })?;
                if block.endpoints.contains(url) {
                    return Err(format!("duplicate URL \"{url}\" in \"endpoint\" of \"etcd_cluster\"").into());
                }
                block.endpoints.push(url.clone());
            }
            Ok(())
        }
        "connect_timeout" => {
            if block.connect_timeout.is_some() {
                return Err("\"connect_timeout\" directive in \"etcd_cluster\" is duplicate".into());
            }
            let [value] = values else {
                return Err("\"connect_timeout\" in \"etcd_cluster\" takes one time".into());
            };
            let time = milliseconds(value).filter(|&time| time > 0);
            let time = time.ok_or_else(|| {
                format!("invalid time \"{value}\" in \"connect_timeout\" of \"etcd_cluster\": a time above zero is needed")
            })?;
            block.connect_timeout = Some(Duration::from_millis(time));
            Ok(())
        }
        _ => Err(format!("unknown directive \"{name}\" in \"etcd_cluster\"").into()),
    }
}
