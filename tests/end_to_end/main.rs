//! What nginx with the module shows to those who use it.

mod balancing;
mod churn;
mod configuration_mistakes;
mod counters;
mod failures;
mod harness_itself;
mod malformed_values;
mod membership;
mod memory;
mod nginx_conf;
mod outages;
mod processes;
mod reload;
mod takeover;
mod unchanged;
mod upstreams;
mod values;
mod variables;
mod watchers;
mod websockets;
mod wiped;
mod zone_limits;
