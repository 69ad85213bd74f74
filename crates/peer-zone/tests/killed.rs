//! Processes over one zone that are killed at any instruction, and a successor that looks at what
//! they left.
//!
//! This program starts itself: as workers that pick, hold and release, and as a publisher. In each
//! round it kills one of them. Where that was the publisher it takes over, stops the workers for a
//! moment, and compares all that is counted with what they hold.

#[cfg(not(loom))]
mod killed {
    pub mod audit;
    pub mod memory;
    pub mod roles;
}
#[cfg(not(loom))]
use libtest_mimic::{Arguments, Trial};

#[cfg(not(loom))]
#[path = "support/random.rs"]
mod random;

#[cfg(not(loom))]
fn main() {
    match std::env::var(killed::memory::ROLE) {
        Ok(role) => killed::roles::run(&role),
        Err(_) => {
            let audit = |name: &str, is_grouped: bool| {
                Trial::test(name, move || {
                    killed::audit::run(is_grouped);
                    Ok(())
                })
            };
            let trials = vec![
                audit("a_process_killed_anywhere_leaves_nothing_wrong", false),
                audit("a_process_killed_anywhere_leaves_nothing_wrong_in_groups", true),
            ];
            libtest_mimic::run(&Arguments::from_args(), trials).exit();
        }
    }
}

#[cfg(loom)]
fn main() {}
