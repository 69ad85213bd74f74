//! Every interleaving of the protocols that the processes keep, as far as loom's bound on
//! preemptions goes.
#![cfg(loom)]

mod columns;
mod lease;
mod pins;
mod withdrawals;
mod word_index;
