//! A prefix of etcd as a list and the changes that follow it.
