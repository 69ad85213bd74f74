//! What becomes of a request at a peer.

/// Why an attempt at a peer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Failure {
    /// There was no connection: it was refused or not answered, or the TLS handshake failed.
    Connect = 0,
    /// The peer did not send or receive anything for too long.
    Timeout = 1,
    /// The peer closed or reset the connection before the end of its response.
    Reset = 2,
    /// The header of the response is not valid or too long.
    InvalidHeader = 3,
    /// The response has a status for which `proxy_next_upstream` tries another peer.
    Status = 4,
    /// Anything else.
    Other = 5,
}

impl Failure {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Connect, Self::Timeout, Self::Reset, Self::InvalidHeader, Self::Status, Self::Other];

    /// The name by which documents and logs call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::InvalidHeader => "invalid_header",
            Self::Status => "status",
            Self::Other => "other",
        }
    }
}

/// The class of a response: the first digit of its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(usize);

impl Class {
    /// How many there are.
    pub(crate) const COUNT: usize = 5;

    /// That of 1xx.
    pub const INFORMATIONAL: Self = Self(0);

    /// That of 2xx.
    pub const SUCCESS: Self = Self(1);

    /// That of 5xx.
    pub const SERVER_ERROR: Self = Self(4);

    /// That of a status; `None` if it is not one of HTTP.
    #[inline(always)]
    #[must_use]
    pub fn of(status: u32) -> Option<Self> {
        let index = (status / 100).wrapping_sub(1) as usize;
        (index < Self::COUNT).then_some(Self(index))
    }

    /// That of a final status: from 200 to 599.
    #[inline(always)]
    #[must_use]
    pub fn of_final(status: u32) -> Option<Self> {
        let above = (status / 100).wrapping_sub(2) as usize;
        (above < Self::COUNT - 1).then_some(Self(above + 1))
    }

    /// Whether it is that of 1xx.
    #[inline(always)]
    #[must_use]
    pub fn is_informational(self) -> bool {
        self == Self::INFORMATIONAL
    }

    /// Its place among all, from 1xx on.
    #[inline(always)]
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// A response that a peer has given.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The class of its status.
    pub class: Class,
    /// Milliseconds until the header.
    pub header_time: u64,
    /// Milliseconds until the last byte.
    pub response_time: u64,
    /// Bytes sent to the peer.
    pub sent: u64,
    /// Bytes received from the peer.
    pub received: u64,
}

/// Why a request gets a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum PickReason {
    /// The balancing method chose it.
    #[default]
    Balance = 0,
    /// The client's session chose it.
    Sticky = 1,
    /// The balancing method chose it, and it fails its checks as all others do.
    Panic = 2,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_first_digit_of_a_status() {
        for (status, index) in
            [(100, Some(0)), (200, Some(1)), (399, Some(2)), (404, Some(3)), (599, Some(4))]
        {
            assert_eq!(Class::of(status).map(Class::index), index);
        }
        assert!([0, 99, 600, u32::MAX].iter().all(|&status| Class::of(status).is_none()));
        assert_eq!(Class::of(101), Some(Class::INFORMATIONAL));
        for status in [0, 101, 199, 200, 404, 599, 600, u32::MAX] {
            let expected = Class::of(status).filter(|class| !class.is_informational());
            assert_eq!(Class::of_final(status), expected, "{status}");
        }
    }
}
