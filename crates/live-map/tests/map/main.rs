//! Maps as their writer and their readers have them.
#![cfg(not(loom))]

mod hosts;
mod memory;
mod model;
mod split;
mod threads;
