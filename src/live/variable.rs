//! A live variable, of whichever kind.

use core::any::Any;
use std::path::Path;

use ngx::ffi::ngx_conf_t;

use super::{
    kind::{LiveKind, Source},
    memory::LiveMemory,
    zone::LiveZone,
};
use crate::{config::VariableConf, nginx::cycle_pool};

/// A live variable; it lives as long as its cycle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveVariable<K: ?Sized + 'static = dyn LiveKind> {
    /// What the directive says.
    pub(crate) conf: &'static K,
    zone: &'static LiveZone,
}

/// A variable of `etcd_variable`.
pub(crate) type Variable = LiveVariable<VariableConf>;

impl LiveVariable {
    /// Asks nginx for the memory of a variable's values.
    ///
    /// # Errors
    ///
    /// Where nginx refuses it, or memory is short.
    pub(crate) fn add(cf: *mut ngx_conf_t, conf: impl LiveKind) -> Result<&'static Self, String> {
        let directive = conf.source().directive;
        let no_memory = || format!("no memory for the configuration of \"{directive}\"");
        // SAFETY: nginx passes a valid configuration.
        let pool = unsafe { &*cf };
        let conf: &'static dyn LiveKind = cycle_pool::allocate(pool, conf).ok_or_else(no_memory)?;
        let zone = LiveZone::add(cf, conf)?;
        cycle_pool::allocate(pool, Self { conf, zone }).ok_or_else(no_memory)
    }

    /// The same as one of this kind, if it is.
    pub(crate) fn of_kind<K: LiveKind>(&self) -> Option<LiveVariable<K>> {
        let conf = (self.conf as &dyn Any).downcast_ref()?;
        Some(LiveVariable { conf, zone: self.zone })
    }

    /// Whether this is what the directive says, wherever it stands.
    pub(crate) fn is_as(&self, conf: &dyn LiveKind) -> bool {
        self.conf.is_same(conf)
    }

    /// What it is made of.
    pub(crate) fn source(&self) -> Source<'static> {
        self.conf.source()
    }

    /// Whether the other one is of the same kind and has the same keys.
    pub(crate) fn shares_memory(&self, other: &Self) -> bool {
        core::ptr::eq(self.zone, other.zone)
    }
}

impl<K: ?Sized> LiveVariable<K> {
    /// The values in shared memory, once it is mapped.
    pub(crate) fn memory(&self) -> Option<&'static LiveMemory> {
        self.zone.get()
    }

    /// The file that keeps the values of these keys, if one does.
    pub(crate) fn state_file(&self) -> Option<&'static Path> {
        self.zone.conf().state_file()
    }
}
