//! Which peer comes next: balancing methods as data, without nginx and without shared memory.
//!
//! Round robin is worked out ahead, when the peers change, so that a pick needs nothing but a
//! position: a number that all workers count up together. There are two forms of it, both exact, in
//! that each peer is picked as often as its weight says in every cycle:
//!
//! * [`smooth_sequence`]: nginx's own order, written down for one whole cycle;
//! * [`stride`], [`cumulative`] and [`pick`]: an even order that is computed at each pick, for
//!   cycles too long to be written down.
//!
//! What makes a peer get less than its weight for a while is a [`Share`] of the visits that its
//! weight gives it, and [`admits`] says which visits these are: a [`ramp`] after its start, and the
//! [`Deficit`] of nginx's effective weight after a failure.
//!
//! The methods that look at the request or at the peers hash as nginx does, so that a client keeps
//! its peer when nginx's own method is replaced by one of these:
//!
//! * `hash KEY` and `ip_hash`: [`rehash`] and [`ip_hash`], then the peer [`in_range`];
//! * `hash KEY consistent`: the [`points`] of the servers, and [`find`] for a [`key_hash`];
//!
//! Those that look at response times:
//!
//! * `peak_ewma`: the [`PeakEwma`] of each peer;
//! * `least_time`: the [`TimeAverages`] of each peer and the age of its requests [`InFlight`],
//!   which [`LeastTime::estimate`] puts together as nginx does.
//!
//! [`Method`] says which methods there are and how they are written, [`Parameters`] what a peer has
//! of nginx's `server`.
//!
//! Nothing that a pick calls allocates memory.

#![forbid(unsafe_code)]

mod effective_weight;
mod in_flight;
mod ketama;
mod keyed;
mod least_time;
mod method;
mod method_code;
mod method_error;
mod parameters;
mod peak_ewma;
mod slow_start;
mod smooth;
mod strided;
mod time_averages;

pub use effective_weight::Deficit;
pub use in_flight::{InFlight, Ticket};
pub use ketama::{POINTS_PER_WEIGHT, find, points};
pub use keyed::{IP_HASH_START, KEYED_TRIES, in_range, ip_hash, key_hash, rehash};
pub use least_time::{LeastTime, ResponseTime};
pub use method::Method;
pub use method_error::MethodError;
pub use parameters::{MAX_WEIGHT, Parameters};
pub use peak_ewma::{HALF_LIFE, PeakEwma};
pub use slow_start::{Share, admits, both, ramp};
pub use smooth::{MAX_STEPS, smooth_sequence};
pub use strided::{Stride, cumulative, pick, stride};
pub use time_averages::TimeAverages;
