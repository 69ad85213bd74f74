//! The status document as a page for people.
//!
//! [`PageWriter`] writes tables that show everything without a script. The page's script puts
//! tables and charts in their place that it brings up to date with the status document in JSON.
//! Style and script are in the page: it loads nothing, and [`headers`] forbid that it does.

#![forbid(unsafe_code)]

mod assets;
mod escape;
mod figures;
mod frame;
mod headers;
mod moment;
mod numbers;
mod parts;
mod rows;
mod sentence;
mod words;
mod writer;

pub use self::{
    headers::{CONTENT_TYPE, headers},
    writer::PageWriter,
};
