//! `stream {}`: sessions over TCP and UDP, to the same peers.

mod as_nginx;
mod balancing;
mod checks;
mod datagrams;
mod drains;
mod drains_in_order;
mod figures;
mod harness_itself;
mod least_time;
mod limits;
mod live;
mod loading;
mod mapping;
mod mistakes;
mod settings;
mod source;
mod takeover;
mod udp;
mod udp_load;
mod variables;
mod watches;
