//! The table of peers in memory that nginx's workers share.
