//! A live variable in the status document.

use live_value::messages::LiveKeys;
use status_document::{Live, LiveFigure};

use crate::{
    live::{Figure, LiveKind, LiveVariable},
    upstream::CoreConf,
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
    Some(Live {
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
