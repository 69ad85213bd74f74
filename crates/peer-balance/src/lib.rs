//! Which peer comes next: balancing methods as data, without nginx and without shared memory.
