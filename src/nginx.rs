//! What is only about nginx: callbacks, modules, log, clock, event sources, connections, processes,
//! addresses, texts with variables, values of variables.

pub(crate) mod alarm;
pub(crate) mod bell;
pub(crate) mod callback;
pub(crate) mod clock;
pub(crate) mod connection;
pub(crate) mod cycle_pool;
pub(crate) mod event_source;
pub(crate) mod exclusive;
pub(crate) mod exit_watch;
pub(crate) mod library;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod modules;
pub(crate) mod named_variables;
pub(crate) mod processes;
pub(crate) mod socket_address;
#[cfg(stream)]
pub(crate) mod stream;
pub(crate) mod text;
pub(crate) mod variable_value;
