//! Load that goes on if a connection is closed or a request fails.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{park_timeout, scope};
use std::time::{Duration, Instant};

use harness::{Result, ensure};

use crate::client::Client;

/// Connections that ask at the same time.
const CONNECTIONS: usize = 8;
/// The most failures in a row: the proxy is not there then.
const MOST: usize = 1_000;

/// What came of it.
pub struct Loaded {
    /// Requests that were answered.
    pub answered: f64,
    /// Requests that were not, or with an error.
    pub failed: f64,
    seconds: f64,
}

impl Loaded {
    /// Answers a second.
    pub fn per_second(&self) -> f64 {
        self.answered / self.seconds
    }
}

/// Requests until `time` is over and at least `least` were answered, to these hosts by turns; where
/// there are none, to the address.
pub fn load(address: &str, hosts: &[&str], time: Duration, least: u64) -> Result<Loaded> {
    let is_over = AtomicBool::new(false);
    let [answered, failed] = [AtomicU64::new(0), AtomicU64::new(0)];
    let get = |client: &mut Client| -> Result<()> {
        let number = answered.load(Relaxed) as usize;
        match hosts.get(number.checked_rem(hosts.len()).unwrap_or_default()) {
            Some(host) => client.get_from(host).map(drop),
            None => client.get("/").map(drop),
        }
    };
    let ask = || -> Result<()> {
        let (mut client, mut in_a_row) = (None, 0);
        while !is_over.load(Relaxed) || answered.load(Relaxed) < least {
            let asked = match client.take() {
                Some(client) => Ok(client),
                None => Client::open(address),
            }
            .and_then(|mut client| get(&mut client).map(|()| client));
            match asked {
                Ok(open) => {
                    (client, in_a_row) = (Some(open), 0);
                    answered.fetch_add(1, Relaxed);
                }
                Err(error) => {
                    in_a_row += 1;
                    ensure!(in_a_row < MOST, "{error}");
                    failed.fetch_add(1, Relaxed);
                }
            }
        }
        Ok(())
    };
    let began = Instant::now();
    scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(ask)).collect();
        while let Some(rest) = time.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero()) {
            park_timeout(rest);
        }
        is_over.store(true, Relaxed);
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a client panicked")?)
    })?;
    let [answered, failed] = [answered, failed].map(|count| count.into_inner() as f64);
    ensure!(answered > 0.0, "no request was answered");
    Ok(Loaded { answered, failed, seconds: began.elapsed().as_secs_f64() })
}
