//! What is only about nginx: callbacks, log, clock, event sources, processes, addresses.

pub(crate) mod accessors;
pub(crate) mod callback;
pub(crate) mod clock;
pub(crate) mod event_source;
pub(crate) mod log;
pub(crate) mod processes;
pub(crate) mod socket_address;
pub(crate) mod ticker;
