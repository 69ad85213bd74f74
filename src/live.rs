//! Values and networks from etcd that requests read.

mod geo;
mod networks;
mod networks_zone;
mod value;
mod value_state;
mod variable;

pub(crate) use self::{
    geo::Geo,
    networks::LiveNetworks,
    value::{Live, MAX_VALUE_LENGTH},
    value_state::{HOLD, Succession},
    variable::{LiveNumber, PresentValue, Variable},
};
