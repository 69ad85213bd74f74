//! Which directives a block has had so far.

use crate::{ConfError, Directive};

/// The directives of a block that have been read, each with its first place.
#[derive(Debug, Default)]
pub struct Seen(Vec<(&'static str, String)>);

impl Seen {
    /// Notes a directive at `place` (`in FILE:LINE`).
    ///
    /// # Errors
    ///
    /// The block has had it, and it may be given only once.
    pub fn add(&mut self, directive: &Directive, place: String) -> Result<(), ConfError> {
        if self.place(directive.name).is_none() {
            self.0.push((directive.name, place));
            Ok(())
        } else if directive.is_once {
            Err(directive.is_duplicate())
        } else {
            Ok(())
        }
    }

    /// Where the directive of this name was given first; `None` if the block has not had it.
    pub fn place(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, place)| place.as_str())
    }
}
