//! Values and networks from etcd that requests read.

pub(crate) mod networks;
pub(crate) mod value;
pub(crate) mod value_state;
