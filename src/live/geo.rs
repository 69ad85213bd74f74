//! A variable that says whether a client is in a network which a key names, with the networks.

use core::net::IpAddr;

use ngx::ffi::ngx_conf_t;

use super::{
    networks::{LiveNetworks, count, is_inside},
    networks_zone::NetworksZone,
};
use crate::config::GeoConf;

/// A variable of `etcd_geo`; it lives as long as its cycle.
#[derive(Debug)]
pub(crate) struct Geo {
    /// What the directive says.
    pub(crate) conf: GeoConf,
    zone: &'static NetworksZone,
}

impl Geo {
    /// Asks nginx for the memory of the networks, of `size` bytes, which all variables with the
    /// same prefix share.
    ///
    /// # Errors
    ///
    /// As [`NetworksZone::add`].
    pub(crate) fn new(cf: *mut ngx_conf_t, conf: GeoConf, size: usize) -> Result<Self, String> {
        let zone = NetworksZone::add(cf, (&conf.cluster, &conf.prefix), size, conf.origin)?;
        Ok(Self { conf, zone })
    }

    /// The networks in shared memory, once it is mapped.
    pub(crate) fn live(&self) -> Option<LiveNetworks> {
        self.zone.get()
    }

    /// Whether the client is in one of the networks; `None` where nothing could be read: the
    /// request must not pass for one that is allowed.
    pub(crate) fn is_inside(&self, client: Option<IpAddr>) -> Option<bool> {
        is_inside(&self.conf, &self.live()?, client)
    }

    /// How many networks there are, and the revision of the last change.
    pub(crate) fn count(&self) -> Option<(usize, u64)> {
        Some(count(&self.conf, &self.live()?))
    }
}
