//! `etcd_map`: a variable whose value is that of the key that another value names.

use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::ngx_conf_t;

use super::{
    args::{place, size},
    keys::prefix,
    live_variables::{self, Define, bare_name},
    state_file,
};
use crate::{
    config::MapConf,
    live::{LiveVariable, written, zone_size_for},
    nginx::{callback::ConfResult, text::Text},
    upstream::CoreConf,
};

const DIRECTIVE: &Directive = directive("etcd_map");

/// The place of the variable's name among the arguments.
const NAME: usize = 1;

/// The smallest zone, in bytes: nginx's own part of it, and some keys.
const MIN_ZONE_SIZE: usize = 64 << 10;

/// The longest `max_length=`, in bytes: etcd itself takes no request above 1.5 MiB where nobody
/// says otherwise.
const MAX_LENGTH: usize = 1 << 20;

/// Handles `etcd_map`, with what defines a variable of the protocol's.
///
/// # Safety
///
/// As nginx calls the handler of a directive.
pub(super) unsafe fn handle(cf: *mut ngx_conf_t, define: Define) -> ConfResult {
    // SAFETY: the caller's promise.
    unsafe { live_variables::handle(cf, DIRECTIVE, |cf, args| add(cf, args, define)) }
}

fn add(cf: &mut ngx_conf_t, args: &Args<'_>, define: Define) -> Result<(), ConfError> {
    let bare = args.argument(NAME, bare_name)?;
    let [source, name, cluster, ..] = args.arguments() else {
        return Err(DIRECTIVE.wrong_number());
    };
    let conf = MapConf {
        name: name.clone(),
        source: Text::new(source, ""),
        cluster: cluster.clone(),
        prefix: args.argument(3, prefix)?,
        has_hostnames: args.is_given("hostnames"),
        default: args.read("default", value)?.unwrap_or_default(),
        split: args.read("split", |text| (!text.is_empty()).then(|| Text::new(text, "split")))?,
        is_volatile: args.is_given("volatile"),
        is_secret: args.is_given("secret"),
        state: state_file::read(cf, DIRECTIVE, args)?,
        zone_size: args.need("zone", |text| size(text).filter(|&size| size >= MIN_ZONE_SIZE))?,
        max_length: args
            .need("max_length", |text| size(text).filter(|size| (1..=MAX_LENGTH).contains(size)))?,
        place: place(cf),
    };
    let needed = zone_size_for(conf.max_length);
    if needed > conf.zone_size {
        let text = args.value("max_length").unwrap_or_default();
        let expects = format!("smaller, or \"zone\" at least {}", written(needed));
        return Err(DIRECTIVE.invalid_value_of("max_length", text, &expects));
    }
    let core = CoreConf::of_conf(cf).ok_or_else(|| DIRECTIVE.is_outside("http"))?;
    if live_variables::same(core, &conf).is_none() {
        check_alone(core, &conf)?;
    }
    live_variables::add(cf, core, DIRECTIVE, (NAME, bare), conf, define)
}

/// A value that stands for that of a key. Variables in it would be text, which nobody means.
fn value(text: &str) -> Option<String> {
    (!text.contains('$') && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// That no other directive has the variable, and none has the same keys in memory of another size
/// or in another file, or other keys in the same file.
fn check_alone(core: &CoreConf, conf: &MapConf) -> Result<(), ConfError> {
    let named = |other: &LiveVariable<MapConf>| other.conf.name.eq_ignore_ascii_case(&conf.name);
    if let Some(other) = core.live_of().find(named) {
        let duplicate = DIRECTIVE.duplicate_argument(NAME, &conf.name);
        return Err(duplicate.with_detail(live_variables::other_parameters(&other.conf.place)));
    }
    if let Some(file) = &conf.state {
        let has_same_keys = |other: &MapConf| shares_keys(conf, other);
        state_file::check_is_alone(core, DIRECTIVE, file, has_same_keys)?;
    }
    let others = core.live_of::<MapConf>().map(|map| map.conf);
    for other in others.filter(|other| shares_keys(conf, other)) {
        if let (Some(own), Some(file)) = (&conf.state, &other.state)
            && own != file
        {
            let detail = format!(", it is \"{}\" {}", file.display(), other.place);
            return Err(conflict(conf, "state").with_detail(detail));
        }
        for (parameter, own, others) in [
            ("zone", conf.zone_size, other.zone_size),
            ("max_length", conf.max_length, other.max_length),
        ] {
            if own != others {
                let detail = format!(", it is {others} bytes {}", other.place);
                return Err(conflict(conf, parameter).with_detail(detail));
            }
        }
    }
    Ok(())
}

/// Whether two directives have the same keys in the same memory.
fn shares_keys(one: &MapConf, other: &MapConf) -> bool {
    (&one.cluster, &one.prefix) == (&other.cluster, &other.prefix) && one.form() == other.form()
}

/// Two directives with the same keys differ in what these have once.
fn conflict(conf: &MapConf, parameter: &str) -> ConfError {
    let prefix = &conf.prefix;
    format!("conflicting \"{parameter}\" of prefix \"{prefix}\" in \"etcd_map\" directive").into()
}
