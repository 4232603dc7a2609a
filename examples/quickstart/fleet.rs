//! A fleet of services, which register themselves in the store as services do.

use std::error::Error;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::console::Console;
use crate::embedded::Store;

/// Where the services register.
pub(crate) const PREFIX: &str = "/services/";

/// Between two steps of the tour.
const STEP: Duration = Duration::from_millis(900);

/// Between the step after the worker's death and the end of its lease, but for a moment.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Between two steps of the life after it, in milliseconds.
const PAUSES: std::ops::Range<u64> = 3_000..7_000;

/// In seconds; etcd grants no shorter one.
const LEASE: i64 = 2;

/// How many changes make a burst.
const BURST: u8 = 250;

type Result = std::result::Result<(), Box<dyn Error>>;

/// The services, and what they need to play.
pub(crate) struct Fleet {
    store: Arc<Store>,
    console: Console,
    path: PathBuf,
    /// Of the worker, while it renews it.
    lease: Option<i64>,
    /// How many instances `web` has.
    web: u8,
}

impl Fleet {
    /// Nobody has registered yet; `path` is the target file, for those who would spoil it.
    pub(crate) fn new(store: Arc<Store>, console: Console, path: PathBuf) -> Self {
        Self { store, console, path, lease: None, web: 0 }
    }

    /// What the daemon finds when it starts.
    pub(crate) fn begin(&mut self) {
        self.console.headline("Two services are there already when the daemon starts.");
        self.put("api/1", "10.0.1.1:8080");
        self.put("api/2", "10.0.1.2:8080");
        self.put("db/1", "10.0.2.1:9187");
    }

    /// Shows one thing that happens in a fleet after the other.
    pub(crate) async fn tour(&mut self) -> Result {
        self.step("A new service comes, with two instances.").await;
        self.scale_web(2);
        self.step("It scales up; the daemon writes once for all that comes together.").await;
        self.scale_web(5);
        self.step("api/2 moves to another host.").await;
        self.put("api/2", "10.0.1.77:8080");
        self.step("A worker registers with a label, for as long as its lease is renewed.").await;
        self.lease_worker()?;
        self.step("web/3 registers nonsense: only it is held back, at its last good target.").await;
        self.put("web/3", "10.0.3.3:http");
        self.step("The worker dies; its lease ends in two seconds.").await;
        self.lease = None;
        self.step("web/3 is mended, on a new port.").await;
        self.put("web/3", "10.0.3.3:9090");
        self.pause(LAST_BREATH).await;
        self.console.headline("The worker's lease ends.");
        self.step("api/1 signs off.").await;
        self.delete("api/1");
        self.step("Somebody empties the file; the daemon restores it.").await;
        File::options().write(true).open(&self.path)?.set_len(0)?;
        self.step("db moves through 250 addresses at once: one write, with the last.").await;
        for host in 1..=BURST {
            self.put("db/1", &format!("10.0.2.{host}:9187"));
        }
        self.step("The whole of db goes, in one revision.").await;
        self.store.delete_prefix(format!("{PREFIX}db/"));
        self.step("web scales down again.").await;
        self.scale_web(2);
        self.pause(STEP).await;
        Ok(())
    }

    /// Scales and moves gently, for ever.
    pub(crate) async fn live(&mut self) -> Result {
        self.console.headline("From now on web scales and moves now and then, until Ctrl-C.");
        loop {
            self.pause(Duration::from_millis(fastrand::u64(PAUSES))).await;
            let count = fastrand::u8(1..=6);
            if count == self.web {
                let (instance, host) = (fastrand::u8(1..=count), fastrand::u8(100..200));
                self.console.headline(&format!("web/{instance} moves."));
                self.put(&format!("web/{instance}"), &format!("10.0.3.{host}:8080"));
            } else {
                let way = if count > self.web { "up" } else { "down" };
                self.console.headline(&format!("web scales {way} to {count}."));
                self.scale_web(count);
            }
        }
    }

    fn scale_web(&mut self, count: u8) {
        for instance in self.web + 1..=count {
            self.put(&format!("web/{instance}"), &format!("10.0.3.{instance}:8080"));
        }
        for instance in (count + 1..=self.web).rev() {
            self.delete(&format!("web/{instance}"));
        }
        self.web = count;
    }

    fn lease_worker(&mut self) -> Result {
        let lease = self.store.grant(LEASE)?;
        let worker = r#"{"address":"10.0.4.1:9100","labels":{"zone":"a"}}"#;
        self.store.put_leased(format!("{PREFIX}worker/1"), worker, lease)?;
        self.lease = Some(lease);
        Ok(())
    }

    fn put(&self, instance: &str, value: &str) {
        self.store.put(format!("{PREFIX}{instance}"), value);
    }

    fn delete(&self, instance: &str) {
        self.store.delete(format!("{PREFIX}{instance}"));
    }

    /// Waits, then says what comes next.
    async fn step(&self, headline: &str) {
        self.pause(STEP).await;
        self.console.headline(headline);
    }

    /// Waits, and keeps the worker alive.
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
        if let Some(lease) = self.lease {
            // If it has ended already, the worker is gone: that shows.
            let _ = self.store.keep_alive(lease);
        }
    }
}
