//! Leases: whether one still lives.

use super::login::Keys;
use super::{Connection, Error};

impl Connection {
    /// Whether etcd still knows this lease. A key that goes with its lease goes in the same moment.
    pub async fn lease_lives(&self, lease: i64) -> Result<bool, Error> {
        let limit = self.patience.answer;
        let asking = self.login.ask(limit, || {
            let mut client = self.lease.clone();
            async move { client.time_to_live(lease, None).await }
        });
        let answer = asking.await.map_err(|failure| self.login.explain(failure, &Keys::none()))?;
        // -1 for a lease that etcd does not know; 0 in its last second.
        Ok(answer.ttl() >= 0)
    }
}
