//! nginx takes its upstream peers live from etcd.
