//! What a peer has answered in an exchange, as far as it matters.

use crate::escapes::escape_of;

/// The expected text must be in the first bytes of an answer, so many of them: as many as HAProxy
/// has by default for the answer to a check.
pub const MAX_ANSWER: usize = 16 << 10;

/// Characters of an answer that a reason shows, escapes included.
const MAX_SHOWN: usize = 120;

/// An answer as it comes in. It is not kept: only its beginning, to be shown, and as much of its
/// end as may be the beginning of what is expected.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    beginning: Vec<u8>,
    end: Vec<u8>,
    taken: usize,
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It has what is expected.
    Found,
    /// It may still come.
    NotYet,
    /// It is not in the first [`MAX_ANSWER`] bytes.
    Missing,
}

impl Heard {
    /// Reads what comes next; `expected` is not empty, and the same each time.
    pub(crate) fn read(&mut self, bytes: &[u8], expected: &[u8]) -> Finding {
        let bytes = bytes.get(..MAX_ANSWER - self.taken).unwrap_or(bytes);
        self.taken += bytes.len();
        let wanted = MAX_SHOWN.saturating_sub(self.beginning.len()).min(bytes.len());
        self.beginning.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
        self.end.extend_from_slice(bytes);
        if self.end.windows(expected.len().max(1)).any(|part| part == expected) {
            return Finding::Found;
        }
        let over = (self.end.len() + 1).saturating_sub(expected.len());
        self.end.drain(..over);
        if self.taken == MAX_ANSWER { Finding::Missing } else { Finding::NotYet }
    }

    /// Why an answer without what is expected fails its check; `None` if there is no answer.
    pub(crate) fn reason(&self) -> Option<String> {
        if self.taken == 0 {
            return None;
        }
        let (mut shown, mut count) = (String::new(), 0);
        for &byte in &self.beginning {
            let more = escape_of(byte);
            if shown.len() + more.len() > MAX_SHOWN {
                break;
            }
            shown += &more;
            count += 1;
        }
        let rest = if count < self.taken { "…" } else { "" };
        Some(format!("unexpected answer \"{shown}{rest}\""))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Finding, Heard, MAX_ANSWER};

    #[test]
    fn what_is_expected_may_be_anywhere_in_the_limit() {
        for (answer, expected, finding) in [
            (b"+PONG\r\n".as_slice(), b"+PONG".as_slice(), Finding::Found),
            (b"# Replication\r\nrole:master\r\n", b"role:master", Finding::Found),
            (b"+PON", b"+PONG", Finding::NotYet),
            (b"-NOAUTH\r\n", b"+PONG", Finding::NotYet),
            (b"aaab", b"aab", Finding::Found),
            (b"\0\xff", b"\xff", Finding::Found),
        ] {
            assert_eq!(Heard::default().read(answer, expected), finding, "{answer:?}");
        }
        let mut answer = vec![b'x'; MAX_ANSWER - 2];
        answer.extend_from_slice(b"ok");
        assert_eq!(Heard::default().read(&answer, b"ok"), Finding::Found);
        answer.insert(0, b'x');
        assert_eq!(Heard::default().read(&answer, b"ok"), Finding::Missing);
    }

    #[test]
    fn reasons_show_the_beginning_of_the_answer() {
        let reason = |answer: &[u8]| {
            let mut heard = Heard::default();
            heard.read(answer, b"never");
            heard.reason()
        };
        assert_eq!(reason(b""), None);
        let noauth = reason(b"-NOAUTH Authentication required.\r\n");
        let expected = r#"unexpected answer "-NOAUTH Authentication required.\r\n""#;
        assert_eq!(noauth.as_deref(), Some(expected));
        let odd = reason(b"\x1b[31m\"\xe9\\\0");
        assert_eq!(odd.as_deref(), Some(r#"unexpected answer "\x1b[31m\"\xe9\\\x00""#));
        let long = reason(&[b'x'; 121]).expect("there is an answer");
        assert_eq!(long, format!("unexpected answer \"{}…\"", "x".repeat(120)));
        let binary = reason(&[0; 200]).expect("there is an answer");
        assert_eq!(binary, format!("unexpected answer \"{}…\"", r"\x00".repeat(30)));
    }

    proptest! {
        #[test]
        fn pieces_are_read_as_the_whole(
            answer in prop::collection::vec(0..3_u8, 1..60),
            expected in prop::collection::vec(0..3_u8, 1..6),
            cuts in prop::collection::vec(1..9_usize, 0..20),
        ) {
            let whole = Heard::default().read(&answer, &expected);
            let is_there = answer.windows(expected.len()).any(|part| part == expected);
            prop_assert_eq!(whole == Finding::Found, is_there);
            let (mut heard, mut rest) = (Heard::default(), answer.as_slice());
            let mut in_pieces = Finding::NotYet;
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (piece, later) = rest.split_at(cut.min(rest.len()));
                rest = later;
                in_pieces = heard.read(piece, &expected);
                if in_pieces == Finding::Found {
                    break;
                }
            }
            prop_assert_eq!(in_pieces, whole);
        }
    }
}
