//! Starts what an end-to-end test needs, and ends it again.
