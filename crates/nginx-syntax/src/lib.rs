//! Times, sizes, numbers and variables as nginx's configuration writes them, and texts as messages
//! quote them.
//!
//! Every function that reads a number takes exactly what the function of nginx that it is named
//! after takes, and gives the same number. nginx's own cannot be called outside of nginx.

#![forbid(unsafe_code)]

mod number;
mod quoted;
mod size;
mod template;
mod time;
mod variable;

pub use number::number;
pub use quoted::{disturbs_a_line, quoted};
pub use size::{offset, size};
pub use template::{Part, parts};
pub use time::{milliseconds, seconds};
pub use variable::only_variable;
