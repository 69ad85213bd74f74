//! `routes set`.

use map_keys::Rules;
use nginx_syntax::quoted;
use upstream_peers::Reading;

use super::{
    check::check,
    error::RoutesError,
    options::{MAX_LENGTH, SetOptions},
    target::Target,
};
use crate::{
    keys::{KeysError, Step, change, no_node, read_value, report, say},
    routing::{RouteTarget, listed, tally},
};

/// Writes a key.
pub(super) async fn run(options: SetOptions) -> Result<(), RoutesError> {
    let rules = options.map.rules(options.target.secret);
    let target = options.target.target()?;
    let name = target.prefix.name(&options.name)?.to_owned();
    let value = given(&options.value, rules).await?;
    let names = target.store.names(target.prefix.as_str()).await?;
    check(rules, &names, &target.prefix, &name, &value)?;
    // What is checked is text.
    let value = String::from_utf8(value).unwrap_or_default();
    let key = target.prefix.key(&name);
    let changed = change(&target.store, &key, |there, _| match there {
        None => Ok(Step::Create(value.clone())),
        // As it should be, or the answer was lost.
        Some(there) if there.value == value.as_bytes() => Ok(Step::Nothing),
        Some(there) if options.if_absent => {
            let shown = target.store.shown(&there.value);
            Err(RoutesError::Exists { key: key.clone(), shown })
        }
        Some(_) => Ok(Step::Put(value.clone())),
    });
    let changed: Result<_, RoutesError> = changed.await;
    report(&target.store, &key, &changed?)?;
    if !rules.has_hostnames && is_mask(&name) {
        say(
            "the name is a mask if the directive has \"hostnames\": with --hostnames this command \
             checks it",
        )?;
    }
    if !rules.is_secret {
        let value = rules.value(value.as_bytes()).unwrap_or_default();
        advise(&target, rules, value, options.services.as_deref()).await?;
    }
    Ok(())
}

/// The value that is given, which is not to be a secret if it stands on the command line.
async fn given(words: &[String], rules: Rules) -> Result<Vec<u8>, KeysError> {
    if rules.is_secret && words != ["-"] {
        let text = "a secret on a command line can be read by everybody on this machine: write it \
                    to standard input, and give \"-\" as VALUE";
        return Err(KeysError::Usage(text.to_owned()));
    }
    // A line break at the end does not count; one byte more is too long in any case.
    read_value(words, MAX_LENGTH + 3).await
}

/// Whether a name would be a mask of hosts.
fn is_mask(name: &str) -> bool {
    name.starts_with("*.") || name.starts_with('.') || name.ends_with(".*")
}

/// Says what may not be meant so.
async fn advise(
    target: &Target,
    rules: Rules,
    value: &[u8],
    services: Option<&str>,
) -> Result<(), KeysError> {
    let list = listed(value).filter(|list| rules.is_split || list.len() > 1);
    if list.is_some() && !rules.is_split {
        say("the value is a list of names if the directive has \"split\": with --split this \
             command checks it")?;
    }
    let Some(services) = services else { return Ok(()) };
    let nodes = tally(&target.store.list(services).await?, &Reading::default());
    let whole = || vec![RouteTarget { name: value, weight: 1 }];
    for name in list.unwrap_or_else(whole).iter().filter(|name| name.weight > 0) {
        let shown = String::from_utf8_lossy(name.name);
        match nodes.get(name.name) {
            Some(service) if service.available > 0 => {}
            Some(service) if service.nodes > 0 => {
                say(&format!("all nodes of service {} are down or drain", quoted(&shown)))?;
            }
            _ => say(&no_node(&shown, services))?,
        }
    }
    Ok(())
}
