//! Times, sizes and numbers as nginx's configuration writes them.
//!
//! Every function takes exactly what the function of nginx that it is named after takes, and gives
//! the same number. nginx's own cannot be called outside of nginx.

#![forbid(unsafe_code)]

mod number;
mod size;
mod time;

pub use number::number;
pub use size::{offset, size};
pub use time::{milliseconds, seconds};
