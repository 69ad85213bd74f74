//! nginx's arrays of commands, made from the table of directives.

use core::ptr;

use directive_table::{
    Context::{self, Main},
    DIRECTIVES, Directive,
};
use ngx::ffi::{
    NGX_CONF_ANY, NGX_CONF_BLOCK, NGX_DIRECT_CONF, NGX_MAIN_CONF, ngx_command_t, ngx_str_t,
    ngx_uint_t,
};

use super::cluster;
use crate::nginx::callback::Handler;

/// One of nginx's modules, with what nginx has to know of its directives.
pub(super) struct Module {
    /// Where its directives stand.
    pub(super) places: &'static [Place],
    /// The handler of each directive that can stand there, by the directive's name.
    pub(super) handlers: &'static [(&'static str, Handler)],
}

/// A context of a module.
pub(super) struct Place {
    pub(super) context: Context,
    /// nginx's flags for it.
    pub(super) flags: u32,
    /// Which of the module's configurations nginx passes to the handlers.
    pub(super) conf: usize,
}

const CORE_MODULE: Module = Module {
    places: &[Place { context: Main, flags: NGX_MAIN_CONF | NGX_DIRECT_CONF, conf: 0 }],
    handlers: &[("etcd_cluster", cluster::etcd_cluster)],
};

/// The commands of the core module.
pub(crate) static mut CORE: [ngx_command_t; count(&CORE_MODULE) + 1] = commands(&CORE_MODULE);

/// What ends an array of commands.
const END: ngx_command_t = ngx_command_t {
    name: ngx_str_t::empty(),
    type_: 0,
    set: None,
    conf: 0,
    offset: 0,
    post: ptr::null_mut(),
};

/// How many directives the module has.
pub(super) const fn count(module: &Module) -> usize {
    let (mut count, mut next) = (0, 0);
    while next < DIRECTIVES.len() {
        if command(&DIRECTIVES[next], module).is_some() {
            count += 1;
        }
        next += 1;
    }
    assert!(count == module.handlers.len(), "a handler of a directive that the module has not");
    count
}

/// The directives that the module has.
pub(super) const fn commands<const N: usize>(module: &Module) -> [ngx_command_t; N] {
    let mut commands = [END; N];
    let (mut count, mut next) = (0, 0);
    while next < DIRECTIVES.len() {
        if let Some(command) = command(&DIRECTIVES[next], module) {
            commands[count] = command;
            count += 1;
        }
        next += 1;
    }
    commands
}

/// The command of a directive; `None` if it stands in none of the module's contexts.
const fn command(directive: &Directive, module: &Module) -> Option<ngx_command_t> {
    let (mut flags, mut conf, mut next) = (0, 0, 0);
    while next < module.places.len() {
        let place = &module.places[next];
        if directive.stands_in(place.context) {
            flags |= place.flags;
            conf = place.conf;
        }
        next += 1;
    }
    if flags == 0 {
        return None;
    }
    let block = if directive.is_block { NGX_CONF_BLOCK } else { 0 };
    let name = directive.c_name;
    Some(ngx_command_t {
        name: ngx_str_t { len: name.to_bytes().len(), data: name.as_ptr().cast_mut().cast() },
        // The number of arguments is for `Directive::parse` to check: its message shows the syntax.
        type_: (flags | block | NGX_CONF_ANY) as ngx_uint_t,
        set: Some(handler(directive, module)),
        conf: conf as ngx_uint_t,
        offset: 0,
        post: ptr::null_mut(),
    })
}

const fn handler(directive: &Directive, module: &Module) -> Handler {
    let mut next = 0;
    while next < module.handlers.len() {
        let (name, handler) = module.handlers[next];
        if directive.is_named(name) {
            return handler;
        }
        next += 1;
    }
    panic!("a directive without a handler")
}
