//! Where peers may be.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use crate::address::SocketAddress;

/// The networks in which peers may be; everywhere where none was added.
///
/// What nginx's own `allow` does with clients: IPv4 addresses that are written as IPv6 ones
/// (`::ffff:10.0.0.1`) are taken as IPv4, and unix sockets have a word of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    is_restricted: bool,
    networks: Vec<IpNet>,
    unix: bool,
}

/// A word that is no network.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a network (10.0.0.0/8, 2001:db8::/32), an address or \"unix:\" is needed")]
pub struct NotANetwork;

/// A network that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Added {
    /// As it was written.
    Exactly,
    /// The word had bits behind the mask, which mean nothing: a mistake, probably.
    WithoutLowBits,
}

impl Allow {
    /// Adds a network: `10.0.0.0/8`, `10.1.2.3`, `2001:db8::/32`, `unix:`.
    ///
    /// # Errors
    ///
    /// Where the word is none.
    pub fn add(&mut self, word: &str) -> Result<Added, NotANetwork> {
        if word == "unix:" {
            (self.is_restricted, self.unix) = (true, true);
            return Ok(Added::Exactly);
        }
        let network = match word.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => word.parse::<IpAddr>().map(IpNet::from).map_err(|_| NotANetwork)?,
        };
        self.is_restricted = true;
        self.networks.push(unmapped(network.trunc()));
        Ok(if network == network.trunc() { Added::Exactly } else { Added::WithoutLowBits })
    }

    /// Whether anything is forbidden.
    pub fn is_restricted(&self) -> bool {
        self.is_restricted
    }

    /// Whether a peer may be there.
    pub fn permits(&self, address: &SocketAddress) -> bool {
        match address {
            SocketAddress::Ip(address) => self.permits_ip(address.ip()),
            SocketAddress::Unix(_) => !self.is_restricted || self.unix,
        }
    }

    /// Whether a peer may have this address.
    pub fn permits_ip(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !self.is_restricted || self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Addresses of a host name where no peer may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideAddresses {
    /// The host name.
    pub name: String,
    /// Those of its addresses that are left out: at least one.
    pub addresses: BTreeSet<IpAddr>,
}

/// As [`ValueError::NotAllowed`](crate::ValueError::NotAllowed) says it of a value that has the
/// address itself.
impl fmt::Display for OutsideAddresses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Addresses that are named; a name server may send hundreds.
        const NAMED: usize = 4;
        write!(formatter, "the host name \"{}\" has ", self.name)?;
        formatter.write_str(if self.addresses.len() == 1 {
            "the address "
        } else {
            "the addresses "
        })?;
        for (index, address) in self.addresses.iter().take(NAMED).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(formatter, "{separator}{address}")?;
        }
        if let Some(more @ 1..) = self.addresses.len().checked_sub(NAMED) {
            write!(formatter, " and {more} more")?;
        }
        formatter.write_str(" outside of \"etcd_allow\"")
    }
}

/// The IPv4 network that is written as an IPv6 one, if it is.
fn unmapped(network: IpNet) -> IpNet {
    /// Bits before the IPv4 address in `::ffff:0:0/96`.
    const MAPPED: u8 = 96;
    let IpNet::V6(mapped) = network else { return network };
    let (Some(address), Some(length)) =
        (mapped.network().to_ipv4_mapped(), mapped.prefix_len().checked_sub(MAPPED))
    else {
        return network;
    };
    IpNet::new(address.into(), length).unwrap_or(network)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use ipnet::Ipv4Net;
    use proptest::prelude::*;

    use super::{Added, Allow, OutsideAddresses};
    use crate::address::SocketAddress;

    fn allow(words: &[&str]) -> Allow {
        let mut allow = Allow::default();
        for word in words {
            assert_eq!(allow.add(word), Ok(Added::Exactly), "{word}");
        }
        allow
    }

    fn permits(allow: &Allow, address: &str) -> bool {
        allow.permits(&match address.strip_prefix("unix:") {
            Some(path) => SocketAddress::Unix(path.to_owned()),
            None => SocketAddress::Ip(address.parse().expect("an address")),
        })
    }

    #[test]
    fn without_a_word_everything() {
        let allow = Allow::default();
        assert!(!allow.is_restricted());
        for address in ["10.0.0.1:80", "[::1]:80", "unix:/a", "0.0.0.0:1"] {
            assert!(permits(&allow, address), "{address}");
        }
    }

    #[test]
    fn networks_addresses_and_unix_sockets() {
        let allowed = allow(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]);
        for address in
            ["10.0.0.0:1", "10.255.255.255:80", "192.0.2.7:80", "[2001:db8:1::9]:80", "[::1]:80"]
        {
            assert!(permits(&allowed, address), "{address}");
        }
        for address in [
            "11.0.0.0:1",
            "9.255.255.255:80",
            "192.0.2.8:80",
            "[2001:db9::]:80",
            "[::2]:80",
            "unix:/a",
            "127.0.0.1:1",
        ] {
            assert!(!permits(&allowed, address), "{address}");
        }
        let allowed = allow(&["unix:"]);
        assert!(permits(&allowed, "unix:/a") && !permits(&allowed, "10.0.0.1:80"));
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let allowed = allow(&["10.0.0.0/8"]);
        assert!(permits(&allowed, "[::ffff:10.0.0.1]:80"));
        assert!(!permits(&allowed, "[::ffff:11.0.0.1]:80"));
        let allowed = allow(&["::ffff:10.0.0.0/104"]);
        assert!(permits(&allowed, "10.0.0.1:80") && !permits(&allowed, "11.0.0.1:80"));
        // All of IPv6 is not all of IPv4.
        assert!(!permits(&allow(&["::/0"]), "10.0.0.1:80"));
        assert!(!permits(&allow(&["0.0.0.0/0"]), "[2001:db8::1]:80"));
    }

    #[test]
    fn what_is_no_network() {
        let mut allow = Allow::default();
        for word in [
            "",
            "all",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "::/129",
            "10.0.0.0/8 ",
            "unix",
            "unix:/a",
            "10.0.0.1:80",
        ] {
            assert!(allow.add(word).is_err(), "{word}");
        }
        assert!(!allow.is_restricted());
        assert_eq!(allow.add("10.1.2.3/8"), Ok(Added::WithoutLowBits));
        assert!(permits(&allow, "10.9.9.9:80"));
    }

    #[test]
    fn outside_addresses_in_words() {
        let words = |last: u8| {
            let addresses = (1..=last).map(|last| IpAddr::from([10, 9, 0, last])).collect();
            OutsideAddresses { name: "x".to_owned(), addresses }.to_string()
        };
        assert_eq!(
            words(1),
            r#"the host name "x" has the address 10.9.0.1 outside of "etcd_allow""#
        );
        let two =
            r#"the host name "x" has the addresses 10.9.0.1, 10.9.0.2 outside of "etcd_allow""#;
        assert_eq!(words(2), two);
        assert!(words(4).contains("10.9.0.4 outside"));
        assert!(words(6).contains("10.9.0.4 and 2 more outside"));
    }

    proptest! {
        #[test]
        fn a_network_of_ipv6_is_what_shares_its_bits(
            network: u128,
            length in 0..=128_u8,
            address: u128,
            near: bool,
        ) {
            let mask = u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0);
            let address = if near { network & mask | address & !mask } else { address };
            let inside = |address: u128| network & mask == address & mask;
            let [network_address, address_there] = [network & mask, address].map(Ipv6Addr::from);
            // Those are IPv4: see above.
            prop_assume!(
                network_address.to_ipv4_mapped().is_none()
                    && address_there.to_ipv4_mapped().is_none()
            );
            let mut allow = Allow::default();
            prop_assert_eq!(allow.add(&format!("{network_address}/{length}")), Ok(Added::Exactly));
            prop_assert_eq!(allow.permits_ip(IpAddr::from(address_there)), inside(address));
        }

        #[test]
        fn a_network_is_what_shares_its_bits(
            network: u32,
            length in 0..=32_u8,
            address: u32,
            near: bool,
        ) {
            let mask = u32::MAX.checked_shl(u32::from(32 - length)).unwrap_or(0);
            let address = if near { network & mask | address & !mask } else { address };
            let mut allow = Allow::default();
            let word =
                Ipv4Net::new(Ipv4Addr::from(network & mask), length).expect("a length").to_string();
            prop_assert_eq!(allow.add(&word), Ok(Added::Exactly));
            let is_inside = network & mask == address & mask;
            prop_assert_eq!(allow.permits_ip(IpAddr::from(Ipv4Addr::from(address))), is_inside);
        }
    }
}
