//! `etcd_balance METHOD`, in an `upstream`, as far as it is the same for all protocols: how a peer
//! is chosen.

use directive_table::{Args, ConfError, Directive, directive};
use nginx_syntax::quoted;
use ngx::ffi::{ngx_conf_t, ngx_str_t};
use peer_balance::{Method, MethodError};

pub(super) const DIRECTIVE: &Directive = directive("etcd_balance");

/// Where the key of `hash` stands among the directive's arguments, whose first is its name.
const KEY_PLACE: usize = 2;

/// The method that the directive says, which the protocol reads by `parse`.
pub(super) fn method(
    args: &Args<'_>,
    parse: fn(&[&str]) -> Result<Method, MethodError>,
) -> Result<Method, ConfError> {
    let method = parse(&words(args)).map_err(|error| {
        format!("{} in \"etcd_balance\" directive, {}", error.problem(), error.hint())
    })?;
    Ok(method)
}

/// The words that name the method.
pub(super) fn words<'a>(args: &'a Args<'_>) -> Vec<&'a str> {
    args.arguments().iter().map(String::as_str).collect()
}

/// The key of a method that needs one, as nginx has it.
///
/// # Safety
///
/// The directive at hand is `etcd_balance` with such a method.
pub(super) unsafe fn key_word(cf: &ngx_conf_t) -> *mut ngx_str_t {
    // SAFETY: while a directive is handled, `args` is an array of its name and arguments, of which
    // `method` has seen the key.
    unsafe { (*cf.args).elts.cast::<ngx_str_t>().add(KEY_PLACE) }
}

/// nginx cannot compile this key.
pub(super) fn invalid_key(word: &ngx_str_t) -> ConfError {
    let word = quoted(&word.to_string());
    format!(
        "invalid key {word} of \"hash\" in \"etcd_balance\" directive, it must be a text that may \
         contain variables of nginx"
    )
    .into()
}
