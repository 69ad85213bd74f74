//! What etcd says of an upstream's peers: keys, values, and the membership they add up to.
