//! The zone as its users see it: one process, several workers, and a publisher that is replaced now and then.
#![cfg(not(loom))]

mod failures;
mod fixture;
mod full;
mod limits;
mod model;
mod order;
mod publishing;
#[path = "../support/random.rs"]
mod random;
mod removal;
mod stress;
mod takeover;
mod workers;
