//! What the forms of values are called.

use std::fmt;

/// The priority of a SkyDNS service that names none.
pub(crate) const SKYDNS_PRIORITY: i64 = 10;

/// The form of a value, by the program that writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// What nginx has after `server`, or a URL.
    Server,
    /// This project's JSON, with `addr`.
    Own,
    /// gRPC's naming in etcd.
    Grpc,
    /// SkyDNS's and CoreDNS's.
    SkyDns,
    /// DolphinScheduler's heartbeat.
    DolphinScheduler,
    /// dubbo-go's registration of applications.
    Dubbo,
    /// go-micro's services, and APISIX's upstreams.
    Nodes,
    /// go-kratos's.
    Kratos,
    /// Kitex's and Hertz's.
    Kitex,
    /// vulcand's servers.
    Vulcand,
    /// Patroni's members.
    Patroni,
    /// Scalingo's.
    Scalingo,
    /// nginx-upsync's and GoFrame's: the address is in the key.
    AddressInKey,
    /// rpcx's: the address is in the key, the value is a query.
    Rpcx,
    /// dubbo-go's registration of interfaces: the key is a URL.
    DubboUrl,
    /// Traefik's key with an address.
    Traefik,
    /// A key of Traefik's beside one with an address.
    TraefikSetting,
}

impl ValueForm {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Server,
        Self::Own,
        Self::Grpc,
        Self::SkyDns,
        Self::DolphinScheduler,
        Self::Dubbo,
        Self::Nodes,
        Self::Kratos,
        Self::Kitex,
        Self::Vulcand,
        Self::Patroni,
        Self::Scalingo,
        Self::AddressInKey,
        Self::Rpcx,
        Self::DubboUrl,
        Self::Traefik,
        Self::TraefikSetting,
    ];

    /// Its name: `nginx`, `JSON with addr`, or that of the program.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "nginx",
            Self::Own => "JSON with addr",
            Self::Grpc => "gRPC naming",
            Self::SkyDns => "SkyDNS",
            Self::DolphinScheduler => "DolphinScheduler",
            Self::Dubbo => "dubbo-go, applications",
            Self::Nodes => "go-micro or APISIX",
            Self::Kratos => "go-kratos",
            Self::Kitex => "Kitex",
            Self::Vulcand => "vulcand",
            Self::Patroni => "Patroni",
            Self::Scalingo => "Scalingo",
            Self::AddressInKey => "nginx-upsync or GoFrame",
            Self::Rpcx => "rpcx",
            Self::DubboUrl => "dubbo-go, interfaces",
            Self::Traefik => "Traefik",
            Self::TraefikSetting => "Traefik, a setting",
        }
    }
}

/// How a form says which peers serve first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityOrder {
    /// Those with a lower number.
    LowerFirst,
    /// Those with a higher number.
    HigherFirst,
}

impl ValueForm {
    /// A [`Value::priority`](crate::Value::priority) as values of this form have it, and what it
    /// means there; `None` if they have none.
    pub const fn written_priority(self, priority: i64) -> Option<(i64, PriorityOrder)> {
        match self {
            Self::SkyDns => Some((priority + SKYDNS_PRIORITY, PriorityOrder::LowerFirst)),
            Self::Nodes => Some((-priority, PriorityOrder::HigherFirst)),
            _ => None,
        }
    }
}

impl fmt::Display for ValueForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
