//! How long to wait for a member, and how to wait longer for one that shows that it lives.

use std::future::Future;
use std::time::Duration;

use etcd_client::MaintenanceClient;
use tokio::time::sleep;

use super::error::{Error, Failure, within};

/// How long to wait for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To accept a connection, and to give a first answer on it.
    pub dial: Duration,
    /// Silence after which it is asked for a sign of life.
    pub idle: Duration,
    /// For that sign.
    pub answer: Duration,
}

impl Default for Patience {
    /// What the command line has as defaults.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { dial: seconds(2), idle: seconds(6), answer: seconds(4) }
    }
}

impl Patience {
    /// Waits for an answer that may take its time, such as a large page on a slow line, as long
    /// as the member answers something else meanwhile.
    pub(super) async fn while_alive<T>(
        self,
        mut member: MaintenanceClient,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let hangs = Box::pin(async {
            loop {
                sleep(self.idle).await;
                // Whatever it answers, it answers.
                let asked = within(self.answer, member.status()).await;
                if let Err(silence @ Failure::Failed(Error::Timeout(_))) = asked {
                    return silence;
                }
            }
        });
        tokio::select! {
            answer = Box::pin(answer) => answer,
            silence = hangs => Err(silence),
        }
    }
}
