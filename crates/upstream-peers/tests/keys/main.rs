//! What is read of keys and their values, and what becomes of it. One program: each one more takes
//! as long to build as all of these.

mod ages;
mod events;
mod forms;
mod membership;
mod properties;
mod values;
