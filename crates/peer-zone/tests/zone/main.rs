//! The zone as its users see it: one process, several workers, and a publisher that is replaced now
//! and then.
#![cfg(not(loom))]

mod cursor;
mod draining;
mod failures;
mod fair;
mod fixture;
mod full;
mod full_ring;
mod groups;
mod health;
mod keyed;
mod keys;
mod least;
mod least_time;
mod limits;
mod methods;
mod model;
mod nginx;
mod order;
mod publishing;
#[path = "../support/random.rs"]
mod random;
mod removal;
mod retries;
mod ring;
mod sizes;
mod slow_start;
mod states;
mod sticky;
mod stress;
mod takeover;
mod workers;
