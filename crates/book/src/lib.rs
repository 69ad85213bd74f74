//! The pages of the documentation: which there are, and where their links lead.

#![forbid(unsafe_code)]

mod links;
mod pages;

pub use links::{Link, anchors, links};
pub use pages::{pages, root};
