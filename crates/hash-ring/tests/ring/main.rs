//! A ring beside nginx's: after any history, after faults, and for a long time.

mod faults;
mod history;
mod mapping;
mod model;
