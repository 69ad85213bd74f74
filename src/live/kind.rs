//! What a kind of live variables says of itself.

use core::{any::Any, fmt::Debug, mem::MaybeUninit, net::IpAddr};
use std::{collections::BTreeMap, path::Path};

use etcd_watch::Origin;
use live_value::messages::LiveKeys;
use ngx::ffi::ngx_log_t;
use serde::Serialize;

use super::{content::Content, memory::LiveMemory};
use crate::nginx::text::Text;

/// A kind of live variables: implemented for what its directive says of one of them.
pub(crate) trait LiveKind: Any + Debug + Send + Sync {
    /// What is followed, and for which variable.
    fn source(&self) -> Source<'_>;

    /// Whether the other one is of the same kind and says the same, wherever its directive stands:
    /// then variables of several protocols can be one.
    fn is_same(&self, other: &dyn LiveKind) -> bool;

    /// The size of the shared memory, in bytes. Variables of this kind with the same keys share it.
    fn zone_size(&self) -> usize;

    /// What is written behind the directive's name in the name of the shared memory: settings with
    /// which keys and values lie there in another way.
    fn form(&self) -> String {
        String::new()
    }

    /// Whether the values are those of a table of keys, of which each is written by itself.
    fn is_table(&self) -> bool {
        false
    }

    /// Whether the shared memory is to be left out of core dumps.
    fn is_secret(&self) -> bool {
        false
    }

    /// Whether nginx is to evaluate the variable anew each time it is used.
    fn is_volatile(&self) -> bool {
        false
    }

    /// The texts of the configuration that are evaluated for a request.
    fn texts(&self) -> Vec<&Text> {
        Vec::new()
    }

    /// Where the values of the configuration came from, if they outlive a wiped etcd until etcd has
    /// been read for the first time.
    fn initial_origin(&self) -> Option<Origin> {
        None
    }

    /// The file that keeps the values, and nothing else, if one does.
    fn state_file(&self) -> Option<&Path> {
        None
    }

    /// Writes to fresh memory what a file has kept, if there is such a file. Returns where that
    /// came from.
    fn load_saved(&self, _memory: &LiveMemory, _log: *mut ngx_log_t) -> Option<Origin> {
        None
    }

    /// An empty content, for values that will lie there.
    fn content(&self, memory: LiveMemory) -> Box<dyn Content>;

    /// What the status shows of the values.
    fn figures(&self, memory: &LiveMemory) -> BTreeMap<&'static str, Figure>;
}

/// A kind whose values are those of a variable of nginx's.
pub(crate) trait VariableKind: LiveKind {
    /// The variable's value for a request.
    fn look_up<'r, R: Request>(
        &'static self,
        memory: Option<&LiveMemory>,
        request: &'r R,
    ) -> Value<'r>;
}

/// What a live variable is made of.
#[derive(Clone, Debug)]
pub(crate) struct Source<'a> {
    /// The directive.
    pub(crate) directive: &'static str,
    /// The variable's name, with the dollar sign.
    pub(crate) name: &'a str,
    /// The cluster's name.
    pub(crate) cluster: &'a str,
    pub(crate) keys: LiveKeys,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: &'a str,
}

/// A word as it is copied to the memory of a request, where it may lie anywhere.
pub(crate) type Word = [u8; size_of::<u64>()];

/// What may be asked of a request.
pub(crate) trait Request {
    /// The client's address; `None` where it has come by a unix socket.
    fn client(&self) -> Option<IpAddr>;

    /// What this text is for the request; `None` where nginx cannot evaluate it, which is an error
    /// of the request.
    fn evaluate(&self, text: &Text) -> Option<&[u8]>;

    /// Memory for as many words, that lasts as long as the request; `None` where memory is short.
    #[expect(clippy::mut_from_ref, reason = "each call gives out what nobody else has")]
    fn allocate(&self, words: usize) -> Option<&mut [MaybeUninit<Word>]>;
}

/// A variable's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// This text, in the memory of the request or of the cycle.
    Text(&'a [u8]),
    /// There is none.
    Nothing,
    /// It could not be evaluated, which is an error of the request.
    Failed,
}

/// A figure in the status.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Figure {
    Flag(bool),
    Number(usize),
}
