//! etcd-sd
