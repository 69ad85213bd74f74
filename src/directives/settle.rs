//! The end of an upstream's configuration, for any protocol: its directives are checked against
//! each other, and the peers of its `server` lines are added.

use core::ffi::{CStr, c_char};
use std::sync::Arc;

use peer_zone::PeerSpec;
use upstream_settings::IsVariable;

use crate::config::{DrainConf, Etcd, UpstreamConf};

/// `NGX_CONF_UNSET_MSEC`.
#[cfg(nginx1_27_3)]
pub(super) const UNSET_TIME: usize = usize::MAX;

/// What is wrong with a directive of the module because of others in the same upstream.
pub(super) struct Conflict {
    directive: &'static str,
    /// What is wrong, which names the directive.
    problem: String,
    /// What to do instead; may be empty.
    advice: String,
}

impl Conflict {
    pub(super) fn new(
        directive: &'static str,
        problem: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { directive, problem: problem.into(), advice: advice.into() }
    }

    /// nginx's own `zone` is in the upstream.
    pub(super) fn with_zone() -> Self {
        Self::new("etcd", "\"zone\" cannot be used with \"etcd\"", "use its parameter \"zone=\"")
    }

    /// nginx's own `resolver` or its `resolver_timeout` is in the upstream.
    #[cfg(nginx1_27_3)]
    pub(super) fn with_resolver() -> Self {
        Self::new(
            "etcd",
            "\"resolver\" and \"resolver_timeout\" cannot be used with \"etcd\"",
            "the module resolves host names by the system's name servers",
        )
    }

    pub(super) fn message(&self, upstream: &str, conf: &UpstreamConf) -> String {
        let Self { directive, problem, advice } = self;
        let place = conf.place_of(directive);
        let advice = if advice.is_empty() { String::new() } else { format!(": {advice}") };
        format!(
            "{problem} in upstream \"{upstream}\", with \"{directive}\" directive {place}{advice}"
        )
    }
}

/// Checks the directives that all protocols have against each other.
pub(super) fn check(conf: &UpstreamConf) -> Result<(), Conflict> {
    // Groups may have checks of their own.
    if conf.checks() {
        return Ok(());
    }
    if conf.drain.as_ref().is_some_and(DrainConf::needs_checks) {
        let problem = "\"on=check\" cannot be used without \"etcd_check\"";
        return Err(Conflict::new("etcd_drain", problem, ""));
    }
    let is_guarded = |etcd: &Etcd| etcd.options.expiry_guard.is_some() && etcd.options.hold == 0;
    if conf.etcd.as_ref().is_some_and(is_guarded) {
        let problem = "\"expiry_guard\" cannot be used with \"hold=0\" and without \"etcd_check\"";
        return Err(Conflict::new("etcd", problem, ""));
    }
    Ok(())
}

/// Where a block `upstream` is, by what nginx keeps of it: it keeps no places of `server` lines.
///
/// # Safety
///
/// The file's name ends with a zero byte.
pub(super) unsafe fn place_of_block(file: *const u8, line: usize) -> String {
    // SAFETY: the caller's promise.
    let file = unsafe { CStr::from_ptr(file.cast::<c_char>()) };
    format!("in {}:{line}", file.to_string_lossy())
}

/// The upstream is balanced by the module, with the peers of its `server` lines. `is_variable` says
/// whether its protocol has a variable of a name, once the configuration has been read.
pub(super) fn finish(conf: &mut UpstreamConf, servers: Vec<PeerSpec>, is_variable: IsVariable) {
    if let Some(settings) = conf.group.as_ref().and_then(|group| group.settings) {
        // nginx finishes an upstream once.
        let _ = settings.of_upstream.set(Arc::new(conf.for_groups(is_variable)));
    }
    let naming = conf.naming();
    let prefix = conf.etcd.as_ref().map(|etcd| &*etcd.prefix).unwrap_or_default();
    for mut peer in servers {
        peer.sticky = naming.id(prefix, "", &peer.name, peer.route.as_deref());
        conf.servers.push(peer);
    }
    conf.is_balanced_here = true;
}
