//! What a group has of its own, as its table says, in one word.

use peer_balance::Method;

/// What a group has of its own, in the place of what its upstream has; nothing if it is 0.
///
/// From below: the code of the method, then a bit for each of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct OwnTraits(u32);

const METHOD: u32 = (1 << Method::CODE_BITS) - 1;
const REFUSES_COOKIES: u32 = 1 << Method::CODE_BITS;
const LACKS_KEY: u32 = REFUSES_COOKIES << 1;
/// Set if active checks decide otherwise than the upstream's; the bits from there on say how.
const OWN_CHECKING: u32 = LACKS_KEY << 1;
const CHECKED: u32 = OWN_CHECKING << 1;
const MANDATORY: u32 = CHECKED << 1;
const PANIC: u32 = MANDATORY << 1;
const CHECKING: u32 = OWN_CHECKING | CHECKED | MANDATORY | PANIC;

impl OwnTraits {
    /// So many bits hold the method and whether cookies lead nowhere: what a request keeps of the
    /// group that it has got its peer from.
    pub(crate) const KEPT_BITS: u32 = Method::CODE_BITS + 1;

    /// Of a group with a method of its own, if it has one, in which cookies lead nowhere, if it
    /// says so.
    pub(crate) fn new(method: Option<Method>, refuses_cookies: bool) -> Self {
        let code = method.map_or(0, |method| u32::from(method.code()));
        Self(code | if refuses_cookies { REFUSES_COOKIES } else { 0 })
    }

    /// These, if `lacks_key` with a key of its own that the table has no room for.
    pub(crate) fn with_lack_of_key(self, lacks_key: bool) -> Self {
        Self(self.0 & !LACKS_KEY | if lacks_key { LACKS_KEY } else { 0 })
    }

    /// These, of a group whose active checks decide so: whether they are mandatory, and whether
    /// there is a panic.
    pub(crate) fn with_checking(self, checking: Option<Option<[bool; 2]>>) -> Self {
        let bit = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
        let bits = match checking {
            None => 0,
            Some(None) => OWN_CHECKING,
            Some(Some([mandatory, panic])) => {
                OWN_CHECKING | CHECKED | bit(mandatory, MANDATORY) | bit(panic, PANIC)
            }
        };
        Self(self.0 & !CHECKING | bits)
    }

    /// How active checks decide: as [`with_checking`](Self::with_checking) was told.
    pub(crate) fn checking(self) -> Option<Option<[bool; 2]>> {
        let has = |bit: u32| self.0 & bit != 0;
        let policy = || has(CHECKED).then(|| [has(MANDATORY), has(PANIC)]);
        has(OWN_CHECKING).then(policy)
    }

    /// What a request keeps, in [`KEPT_BITS`](Self::KEPT_BITS).
    #[inline]
    pub(crate) fn kept(self) -> u16 {
        (self.0 & (METHOD | REFUSES_COOKIES)) as u16
    }

    /// What a request has kept.
    #[inline]
    pub(crate) fn of_kept(kept: u16) -> Self {
        Self(u32::from(kept) & (METHOD | REFUSES_COOKIES))
    }

    /// Whether there is nothing.
    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Its method; `None`: the upstream's.
    #[inline]
    pub(crate) fn method(self) -> Option<Method> {
        Method::from_code((self.0 & METHOD) as u8)
    }

    /// Whether cookies lead nowhere.
    #[inline]
    pub(crate) fn refuses_cookies(self) -> bool {
        self.0 & REFUSES_COOKIES != 0
    }

    /// Whether the table has no room for the key that it has.
    #[inline]
    pub(crate) fn lacks_key(self) -> bool {
        self.0 & LACKS_KEY != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traits_are_read_as_they_were_written() {
        assert!(OwnTraits::new(None, false).is_none());
        let methods = (0..=16).map(Method::from_code);
        for (method, bits) in methods.flat_map(|method| (0..32).map(move |bits| (method, bits))) {
            let [refuses_cookies, lacks_key, has_checking, mandatory, panic] =
                [1, 2, 4, 8, 16].map(|bit| bits & bit != 0);
            let checking = match (has_checking, mandatory) {
                (true, _) => Some(Some([mandatory, panic])),
                (false, true) => Some(None),
                (false, false) => None,
            };
            let own = OwnTraits::new(method, refuses_cookies);
            let traits = own.with_lack_of_key(lacks_key).with_checking(checking);
            assert_eq!(
                (traits.method(), traits.refuses_cookies(), traits.lacks_key(), traits.checking()),
                (method, refuses_cookies, lacks_key, checking)
            );
            assert!(traits.kept() < 1 << OwnTraits::KEPT_BITS);
            assert_eq!(OwnTraits::of_kept(traits.kept()), own);
        }
    }
}
