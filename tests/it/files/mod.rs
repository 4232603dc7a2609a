//! The file side against the file system, other programs, other copies of the daemon, and
//! Prometheus' own way of watching.
