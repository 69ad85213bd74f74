//! What a worker has of each upstream while it runs.

pub(crate) mod withdrawals;
