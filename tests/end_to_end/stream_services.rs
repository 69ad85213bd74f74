//! The configurations of `nginx-conf/stream/` as they stand, before services of Debian's.

mod dns;
mod headers;
mod mqtt;
mod postgres;
mod tls;
