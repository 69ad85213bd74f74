//! `etcd_map`: the value of the key that another value names.

use core::{any::Any, iter, sync::atomic::Ordering};
use std::{collections::BTreeMap, path::Path};

use etcd_watch::Origin;
use live_map::{Found, Name, SharedMap, TornRead, split::choose};
use live_value::messages::LiveKeys;
use ngx::ffi::ngx_log_t;

use super::{
    content::Content,
    kind::{Figure, LiveKind, Request, Source, Value, VariableKind, Word},
    map_content::MapContent,
    memory::LiveMemory,
    value::copy_words,
};
use crate::{config::MapConf, nginx::text::Text};

impl LiveKind for MapConf {
    fn source(&self) -> Source<'_> {
        Source {
            directive: "etcd_map",
            name: &self.name,
            cluster: &self.cluster,
            keys: LiveKeys::Prefix(self.prefix.clone()),
            place: &self.place,
        }
    }

    fn is_same(&self, other: &dyn LiveKind) -> bool {
        (other as &dyn Any).downcast_ref().is_some_and(|other| self.says_the_same(other))
    }

    fn zone_size(&self) -> usize {
        self.zone_size
    }

    fn form(&self) -> String {
        MapConf::form(self)
    }

    fn is_table(&self) -> bool {
        true
    }

    fn is_secret(&self) -> bool {
        self.is_secret
    }

    fn is_volatile(&self) -> bool {
        self.is_volatile
    }

    fn texts(&self) -> Vec<&Text> {
        core::iter::once(&self.source).chain(&self.split).collect()
    }

    fn state_file(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    fn load_saved(&self, memory: &LiveMemory, log: *mut ngx_log_t) -> Option<Origin> {
        self.load(memory, log)
    }

    fn content(&self, memory: LiveMemory) -> Box<dyn Content> {
        Box::new(MapContent::new(self, memory))
    }

    fn figures(&self, memory: &LiveMemory) -> BTreeMap<&'static str, Figure> {
        let Some(table) = memory.table() else { return BTreeMap::new() };
        BTreeMap::from([
            ("entries", Figure::Number(table.len())),
            ("bytes_used", Figure::Number(table.bytes_used())),
            ("bytes_total", Figure::Number(table.bytes_total())),
        ])
    }
}

impl VariableKind for MapConf {
    #[inline(always)]
    fn look_up<'r, R: Request>(
        &'static self,
        memory: Option<&LiveMemory>,
        request: &'r R,
    ) -> Value<'r> {
        self.find(memory, request).unwrap_or(Value::Failed)
    }
}

impl MapConf {
    /// The value for a request; `None` where nginx cannot evaluate what names it, or memory is
    /// short.
    #[inline(always)]
    fn find<'r>(
        &'static self,
        memory: Option<&LiveMemory>,
        request: &'r impl Request,
    ) -> Option<Value<'r>> {
        // All that other variables are evaluated for comes first: what is below takes room on the
        // stack, and nothing is evaluated meanwhile.
        let source = request.evaluate(&self.source)?;
        let key = match &self.split {
            Some(split) => Some(request.evaluate(split)?),
            None => None,
        };
        let found = match memory.and_then(LiveMemory::table) {
            Some(table) => self.copy(table, source, request),
            None => Ok(None),
        };
        // A request that nothing could be read for must not pass for one whose key is not there.
        let Ok(found) = found else { return Some(Value::Nothing) };
        let value = match found {
            Some(copy) => match key {
                Some(key) => choose(copy?, key),
                None => Some(copy?),
            },
            None => None,
        };
        Some(Value::Text(value.unwrap_or(self.default.as_bytes())))
    }

    /// The value of the key that `source` names, in the request's memory; `Some(None)` where that
    /// is short.
    #[inline(always)]
    fn copy<'a>(
        &self,
        table: &SharedMap<'static>,
        source: &[u8],
        request: &'a impl Request,
    ) -> Result<Option<Option<&'a [u8]>>, TornRead> {
        let copy = |found: Found<'_>| match found.words() {
            Some(words) => {
                let (count, words) = (words.len(), words.iter());
                let words = words.map(|word| word.load(Ordering::Relaxed).to_le_bytes());
                copy_words(words, count, request)?.get(..found.len())
            }
            None => copy_scattered(&found, request),
        };
        match Name::exact(source) {
            _ if self.has_hostnames => table.get_host(source, copy),
            Some(name) => table.get(&name, copy),
            None => Ok(None),
        }
    }
}

/// A value whose words lie in several places.
#[inline(never)]
fn copy_scattered<'a>(found: &Found<'_>, request: &'a impl Request) -> Option<&'a [u8]> {
    let length = found.len();
    let copy = copy_words(iter::empty(), length.div_ceil(size_of::<Word>()), request)?;
    found.copy_to(copy);
    copy.get(..length)
}
