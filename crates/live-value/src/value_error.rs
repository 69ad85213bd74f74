//! Why the value of a variable's key is not valid.

use thiserror::Error;

/// Why a value is rejected. The text is one line, without the value itself, which may be secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ValueError {
    /// It has too many bytes.
    #[error("the value is too long: {length} bytes, the maximum is {most}")]
    TooLong {
        /// How many it has.
        length: usize,
        /// How many it may have.
        most: usize,
    },
    /// It is not text.
    #[error("the value is not valid UTF-8")]
    NotUtf8,
    /// It could begin a header or a line of its own.
    #[error("the value contains a control character")]
    ControlCharacter,
    /// It is to be a number.
    #[error("the value is not a number from 0 to {}", u32::MAX)]
    NotANumber,
    /// It is to be a time, of at most that which is given in nginx's syntax.
    #[error("the value is not a time such as 30s, 500ms or 1m30s, {0} at most")]
    NotATime(&'static str),
}

#[cfg(test)]
mod tests {
    use super::ValueError;

    #[test]
    fn messages_are_worded_so() {
        for (error, expected) in [
            (
                ValueError::TooLong { length: 4097, most: 4096 },
                "the value is too long: 4097 bytes, the maximum is 4096",
            ),
            (ValueError::NotUtf8, "the value is not valid UTF-8"),
            (ValueError::ControlCharacter, "the value contains a control character"),
            (ValueError::NotANumber, "the value is not a number from 0 to 4294967295"),
            (
                ValueError::NotATime("90d"),
                "the value is not a time such as 30s, 500ms or 1m30s, 90d at most",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
