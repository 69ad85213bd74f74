//! A live variable in the status document.

use live_value::messages::LiveKeys;
use status_document::{Live, LiveFigure, StateFile};

use crate::{
    config::SettingsConf,
    live::{Figure, LiveKind, LiveVariable},
    upstream::{CoreConf, Upstream},
};

/// The variables of a kind, by name, each once.
pub(super) fn variables<K: LiveKind>(core: &CoreConf) -> Vec<LiveVariable<K>> {
    let mut variables: Vec<_> = core.live_of::<K>().collect();
    variables.sort_by(|one, other| one.conf.source().name.cmp(other.conf.source().name));
    variables.dedup_by(|one, other| one.conf.source().name == other.conf.source().name);
    variables
}

/// What there is to say of a variable; `None` before its memory is mapped.
pub(super) fn describe<K: LiveKind>(variable: &LiveVariable<K>) -> Option<Live> {
    let (source, memory) = (variable.conf.source(), variable.memory()?);
    let (kind, path) = match source.keys {
        LiveKeys::One(key) => (status_document::LiveKind::Key, key),
        LiveKeys::Prefix(prefix) if variable.conf.is_table() => {
            (status_document::LiveKind::Map, prefix)
        }
        LiveKeys::Prefix(prefix) => (status_document::LiveKind::Prefix, prefix),
    };
    let figures = variable.conf.figures(memory).into_iter().map(|(name, figure)| {
        let figure = match figure {
            Figure::Flag(flag) => LiveFigure::Flag(flag),
            Figure::Number(number) => LiveFigure::Number(number),
        };
        (name, figure)
    });
    let state = variable.state_file().map(|file| {
        let (revision, trouble) = memory.state.saved();
        StateFile { file: file.display().to_string(), revision, trouble }
    });
    Some(Live {
        state,
        name: source.name.to_owned(),
        cluster: source.cluster.to_owned(),
        kind,
        path,
        figures: figures.collect(),
        revision: memory.revision(),
        rejected_total: memory.state.rejected(),
        rejected: memory.state.reason(),
        held: memory.state.seconds_held(),
    })
}

/// The settings of the groups of an upstream, among those of all.
pub(super) fn settings_of<'s>(
    upstream: &Upstream,
    all: &'s [LiveVariable<SettingsConf>],
) -> Option<&'s LiveVariable<SettingsConf>> {
    let conf = upstream.settings().group.as_ref()?.settings?;
    all.iter().find(|settings| core::ptr::eq(settings.conf, conf))
}

/// What there is to say of settings; `None` before their memory is mapped.
pub(super) fn describe_settings(
    settings: &LiveVariable<SettingsConf>,
) -> Option<status_document::GroupSettings> {
    let memory = settings.memory()?;
    let figures = settings.conf.figures(memory);
    let figure = |name| match figures.get(name) {
        Some(Figure::Number(number)) => *number,
        Some(Figure::Flag(_)) | None => 0,
    };
    Some(status_document::GroupSettings {
        prefix: settings.conf.prefix.clone(),
        count: figure("groups"),
        revision: memory.revision(),
        rejected_total: memory.state.rejected(),
        rejected: memory.state.reason(),
        held: memory.state.seconds_held(),
        bytes_used: figure("bytes_used"),
        bytes_total: figure("bytes_total"),
    })
}
