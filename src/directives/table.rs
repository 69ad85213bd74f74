//! nginx's arrays of commands, made from the table of directives.

use core::ptr;

use directive_table::{
    Context::{self, Cluster, Http, Location, Main, Upstream},
    DIRECTIVES, Directive, with_directives,
};
use ngx::ffi::{
    NGX_CONF_ANY, NGX_CONF_BLOCK, NGX_DIRECT_CONF, NGX_HTTP_LOC_CONF, NGX_HTTP_MAIN_CONF,
    NGX_HTTP_MAIN_CONF_OFFSET, NGX_HTTP_SRV_CONF_OFFSET, NGX_HTTP_UPS_CONF, NGX_MAIN_CONF,
    ngx_command_t, ngx_str_t, ngx_uint_t,
};

use crate::nginx::callback::Handler;

macro_rules! handlers {
    ($($file:ident::$handler:ident => $directive:expr;)*) => {
        /// The handlers, in the order of [`DIRECTIVES`].
        const HANDLERS: [Handler; DIRECTIVES.len()] = [$(super::$file::$handler),*];
    };
}

with_directives!(handlers);

/// What ends an array of commands.
const END: ngx_command_t = ngx_command_t {
    name: ngx_str_t::empty(),
    type_: 0,
    set: None,
    conf: 0,
    offset: 0,
    post: ptr::null_mut(),
};

const OF_CORE: &[Context] = &[Main];
const OF_HTTP: &[Context] = &[Http, Upstream, Location];

/// The commands of the core module.
pub(crate) static mut CORE: [ngx_command_t; count(OF_CORE) + 1] = commands(OF_CORE);

/// Those of the HTTP module.
pub(crate) static mut HTTP: [ngx_command_t; count(OF_HTTP) + 1] = commands(OF_HTTP);

/// How many directives stand in one of these contexts.
const fn count(contexts: &[Context]) -> usize {
    let (mut count, mut next) = (0, 0);
    while next < DIRECTIVES.len() {
        if flags(&DIRECTIVES[next], contexts) != 0 {
            count += 1;
        }
        next += 1;
    }
    count
}

/// The directives that stand in one of these contexts.
const fn commands<const N: usize>(contexts: &[Context]) -> [ngx_command_t; N] {
    let mut commands = [END; N];
    let (mut count, mut next) = (0, 0);
    while next < DIRECTIVES.len() {
        let directive = &DIRECTIVES[next];
        let flags = flags(directive, contexts);
        if flags != 0 {
            commands[count] = command(directive, flags, HANDLERS[next]);
            count += 1;
        }
        next += 1;
    }
    commands
}

const fn command(directive: &Directive, flags: u32, set: Handler) -> ngx_command_t {
    let block = if directive.is_block { NGX_CONF_BLOCK } else { 0 };
    let name = directive.c_name;
    ngx_command_t {
        name: ngx_str_t { len: name.to_bytes().len(), data: name.as_ptr().cast_mut().cast() },
        // The number of arguments is for `Directive::parse` to check: its message shows the syntax.
        type_: (flags | block | NGX_CONF_ANY) as ngx_uint_t,
        set: Some(set),
        conf: conf(directive) as ngx_uint_t,
        offset: 0,
        post: ptr::null_mut(),
    }
}

/// nginx's flags for those of the contexts in which the directive stands.
const fn flags(directive: &Directive, contexts: &[Context]) -> u32 {
    let (mut flags, mut next) = (0, 0);
    while next < contexts.len() {
        if directive.stands_in(contexts[next]) {
            flags |= flag(contexts[next]);
        }
        next += 1;
    }
    flags
}

const fn flag(context: Context) -> u32 {
    match context {
        Main => NGX_MAIN_CONF | NGX_DIRECT_CONF,
        Http => NGX_HTTP_MAIN_CONF,
        Upstream => NGX_HTTP_UPS_CONF,
        Location => NGX_HTTP_LOC_CONF,
        Cluster => 0,
    }
}

/// Which of a module's configurations nginx passes to the handler.
const fn conf(directive: &Directive) -> usize {
    if directive.stands_in(Upstream) { NGX_HTTP_SRV_CONF_OFFSET } else { NGX_HTTP_MAIN_CONF_OFFSET }
}
