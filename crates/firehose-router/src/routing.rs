//! Names that lead to services, and services that have nodes: what is read for `routes` and
//! `services`.

mod services;
mod targets;

pub(crate) use self::{
    services::{Service, ServiceNodes, tally},
    targets::{RouteTarget, leads_to, listed, possible_targets},
};
