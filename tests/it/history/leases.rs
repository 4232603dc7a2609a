//! Whether a key went by itself, with its lease, or was deleted.

use super::{Journal, change};
use crate::support::backend::{Etcd, on_both};
use crate::support::file::TargetFile;

async fn a_key_whose_lease_has_ended_is_told_from_one_that_was_deleted(etcd: Etcd) {
    let (file, journal) = (TargetFile::new(), Journal::new());
    let (expires, stays, revoked) =
        (etcd.grant(2).await, etcd.grant(600).await, etcd.grant(600).await);
    etcd.put_leased("/services/web/expired", "h:1", expires).await;
    etcd.put_leased("/services/web/leased", "h:2", stays).await;
    etcd.put_leased("/services/web/revoked", "h:3", revoked).await;
    etcd.put("/services/web/plain", "h:4").await;
    let mut daemon = journal.start(&etcd, &file);
    daemon.wait_for_log("watching").await;
    file.follows(&etcd).await;
    etcd.delete("/services/web/plain").await;
    journal.has(1).await;
    etcd.delete("/services/web/leased").await;
    journal.has(2).await;
    etcd.revoke(revoked).await;
    let mut changes = journal.has(4).await;
    changes.sort();
    let expected = [
        change("web/expired", "h:1", "", "lease_end"),
        change("web/leased", "h:2", "", "delete"),
        change("web/plain", "h:4", "", "delete"),
        change("web/revoked", "h:3", "", "lease_end"),
    ];
    assert_eq!(changes, expected);
    assert_eq!(daemon.stop().await, 0);
}

on_both!(a_key_whose_lease_has_ended_is_told_from_one_that_was_deleted);
