//! Socket addresses as the operating system takes them, made without the operating system.

use std::{net::SocketAddr, sync::Arc};

use upstream_peers::SocketAddress;

/// The bytes of a `sockaddr_in`, `sockaddr_in6` or `sockaddr_un`, as nginx makes them of a
/// `server`: two that are equal are so byte by byte.
pub(crate) fn bytes(address: &SocketAddress) -> Arc<[u8]> {
    match address {
        SocketAddress::Ip(SocketAddr::V4(address)) => {
            let mut bytes = Vec::with_capacity(size_of::<libc::sockaddr_in>());
            bytes.extend((libc::AF_INET as libc::sa_family_t).to_ne_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.resize(size_of::<libc::sockaddr_in>(), 0);
            bytes.into()
        }
        SocketAddress::Ip(SocketAddr::V6(address)) => {
            let mut bytes = Vec::with_capacity(size_of::<libc::sockaddr_in6>());
            bytes.extend((libc::AF_INET6 as libc::sa_family_t).to_ne_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.flowinfo().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.extend(address.scope_id().to_ne_bytes());
            bytes.into()
        }
        SocketAddress::Unix(path) => {
            let mut bytes = Vec::with_capacity(size_of::<libc::sockaddr_un>());
            bytes.extend((libc::AF_UNIX as libc::sa_family_t).to_ne_bytes());
            bytes.extend(path.bytes());
            bytes.resize(size_of::<libc::sockaddr_un>(), 0);
            bytes.into()
        }
    }
}

/// The address of which these are the bytes; `None` for another family.
pub(crate) fn parse(bytes: &[u8]) -> Option<SocketAddress> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let port = || rest.first_chunk::<2>().map(|port| u16::from_be_bytes(*port));
    match i32::from(libc::sa_family_t::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let octets: [u8; 4] = rest.get(2..6)?.try_into().ok()?;
            Some(SocketAddress::Ip((octets, port()?).into()))
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = rest.get(6..22)?.try_into().ok()?;
            Some(SocketAddress::Ip((octets, port()?).into()))
        }
        libc::AF_UNIX => {
            let path = rest.split(|&byte| byte == 0).next()?;
            Some(SocketAddress::Unix(String::from_utf8(path.to_vec()).ok()?))
        }
        _ => None,
    }
}
