//! What the directives add up to: settings, which do not change while nginx runs.

mod cluster;
mod drain;
mod etcd;
mod geo;
mod group;
mod keepalive;
mod kind;
mod map;
mod settings;
mod statistics;
mod sticky;
mod upstream;
mod variable;

pub(crate) use self::{
    cluster::ClusterConf,
    drain::{DrainConf, PaceConf, Time},
    etcd::{Etcd, EtcdOptions},
    geo::{GeoConf, Initial},
    group::{GroupBy, GroupConf, MAX_GROUP, Otherwise, is_group},
    keepalive::Keepalive,
    kind::Kind,
    map::MapConf,
    settings::SettingsConf,
    statistics::Counting,
    sticky::{Expires, MAX_EXPIRES, Naming, Secret, Sticky},
    upstream::UpstreamConf,
    variable::{LONGEST_TIME, ValueType, VariableConf, number, time},
};
