//! What a client asks for, as bytes.

use crate::table::Access;

/// Bytes of a request.
pub(crate) const LENGTH: usize = 5;

/// A request: what is to be done, and with which file of the table.
///
/// A connection to answer on comes with it, and to replace a file a descriptor of what is to be in
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) access: Access,
    pub(crate) index: u32,
}

impl Request {
    pub(crate) fn to_bytes(self) -> [u8; LENGTH] {
        let [a, b, c, d] = self.index.to_ne_bytes();
        let access = match self.access {
            Access::Read => b'r',
            Access::Replace => b'w',
        };
        [access, a, b, c, d]
    }

    /// None where the bytes are no request.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let &[access, a, b, c, d] = bytes else { return None };
        let access = match access {
            b'r' => Access::Read,
            b'w' => Access::Replace,
            _ => return None,
        };
        Some(Self { access, index: u32::from_ne_bytes([a, b, c, d]) })
    }
}

#[cfg(test)]
mod tests {
    use super::Request;
    use crate::table::Access;

    #[test]
    fn there_and_back() {
        for access in [Access::Read, Access::Replace] {
            for index in [0, 1, 0x0102_0304, u32::MAX] {
                let request = Request { access, index };
                assert_eq!(Request::of_bytes(&request.to_bytes()), Some(request));
            }
        }
        assert_eq!(Request::of_bytes(b""), None);
        assert_eq!(Request::of_bytes(b"r123"), None);
        assert_eq!(Request::of_bytes(b"r12345"), None);
        assert_eq!(Request::of_bytes(b"x1234"), None);
    }
}
