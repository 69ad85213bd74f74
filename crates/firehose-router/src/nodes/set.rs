//! `nodes set`, `nodes drain` and `nodes undrain`.

use nginx_syntax::quoted;
use upstream_peers::{KeyContent, parse_value};

use super::{
    edit::{ParameterChange, edit},
    error::NodesError,
    options::{DrainOptions, KeyOptions, SetOptions},
    target::Target,
    wait::{Drained, Routers, check, wait},
};
use crate::keys::{KeysError, Step, change, report, say};

/// Changes parameters.
pub(super) async fn set(options: SetOptions) -> Result<(), NodesError> {
    let target = options.target.target()?;
    let name = target.name(&options.key)?;
    apply(&target, &name, &options.changes, |_| Ok(())).await.map(drop)
}

/// Marks a node, and waits until nobody is left there, if that is asked for.
pub(super) async fn drain(options: DrainOptions) -> Result<(), NodesError> {
    let target = options.target.target()?;
    let name = target.name(&options.key)?;
    // What is wrong with the routers is to be told before anything is changed.
    let places = match options.wait {
        Some(_) => options.routers.places().map_err(KeysError::Usage)?,
        None => Vec::new(),
    };
    let routers = Routers { places: &places, cacert: options.routers.cacert() };
    let before = Drained {
        name: &name,
        peers: &name,
        prefix: target.prefix.as_str(),
        upstreams: &options.upstream,
        revision: 0,
    };
    check(&before, &routers).await?;
    let (revision, value) = apply(&target, &name, &[parameter("drain")?], |_| Ok(())).await?;
    let Some(limit) = options.wait else { return Ok(()) };
    let peers = peers_of(&target, &name, &value);
    let drained = Drained { peers: &peers, revision, ..before };
    wait(&drained, &target, &routers, limit).await?;
    Ok(say(&format!("node {} has no open connection", quoted(&name)))?)
}

/// Removes the mark.
pub(super) async fn undrain(options: KeyOptions) -> Result<(), NodesError> {
    let target = options.target.target()?;
    let name = target.name(&options.key)?;
    let weighs = |value: &str| {
        let read = parse_value(&name, value.as_bytes(), &target.reading);
        let drains = |value: &upstream_peers::Value| value.overrides.weight == Some(0);
        match read.map(KeyContent::into_values) {
            Ok(values) if values.iter().any(drains) => {
                Err(NodesError::DrainsByWeight(target.key(&name)))
            }
            _ => Ok(()),
        }
    };
    apply(&target, &name, &[parameter("-drain")?], weighs).await.map(drop)
}

fn parameter(word: &str) -> Result<ParameterChange, NodesError> {
    Ok(ParameterChange::parse(word).map_err(KeysError::Usage)?)
}

/// The name of the key's peers.
fn peers_of(target: &Target, name: &str, value: &str) -> String {
    match parse_value(name, value.as_bytes(), &target.reading) {
        Ok(KeyContent::Servers { name, .. } | KeyContent::Setting { of: name, .. }) => {
            name.to_owned()
        }
        Err(_) => name.to_owned(),
    }
}

/// Makes the changes, unless `check` has something against the value that comes of them. Returns
/// the revision of the key's value, and that.
async fn apply(
    target: &Target,
    name: &str,
    changes: &[ParameterChange],
    check: impl Fn(&str) -> Result<(), NodesError>,
) -> Result<(i64, String), NodesError> {
    let key = target.key(name);
    let edited = |value: &[u8]| {
        let value = str::from_utf8(value).map_err(|_| NodesError::NotUtf8(key.clone()))?;
        let after = edit(name, value, changes, &target.reading);
        after.map_err(|reason| NodesError::Edit { key: key.clone(), reason })
    };
    let changed = change(&target.store, &key, |there, _| {
        let there = there.ok_or_else(|| target.store.missing(&key))?;
        let after = edited(&there.value)?;
        check(&after)?;
        Ok(if after.as_bytes() == there.value { Step::Nothing } else { Step::Put(after) })
    });
    let changed: Result<_, NodesError> = changed.await;
    let changed = changed?;
    report(&target.store, &key, &changed)?;
    let value = match changed.step {
        Step::Put(value) => value,
        _ => changed.before.map(|before| before.text()).unwrap_or_default(),
    };
    Ok((changed.revision, value))
}
