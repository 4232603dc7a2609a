//! Tokens that live for five seconds: a daemon outlives hundreds of them, whether
//! there is much to do or nothing, and no change is lost.
//!
//! `TEST_ROUNDS=6` makes it two minutes instead of some twenty seconds.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::time::sleep;

use crate::support::backend::{Etcd, with_own_etcd};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::gate::Gate;
use crate::support::secure::{PASSWORD, PasswordFile, Tokens, USER};
use crate::support::wait::{SOON, always, ensure, eventually};

/// A token's life, in seconds.
const LIFE: u32 = 5;

/// Longer than a token lives.
const TOO_LONG: Duration = Duration::from_secs(LIFE as u64 + 2);

/// Silence on the watch is asked about twice in the life of a token.
const ARGS: [&str; 8] =
    ["--user", USER, "--debounce", "10ms", "--keepalive-time", "2s", "--keepalive-timeout", "2s"];

/// A daemon, and services that come one after the other and stay, so that none can be missed
/// without a trace.
struct Life {
    etcd: Etcd,
    gate: Gate,
    file: TargetFile,
    daemon: Daemon,
    services: u32,
}

impl Life {
    async fn start(tokens: Tokens) -> Self {
        let etcd = Etcd::with_users(tokens).await;
        let gate = Gate::before(&etcd).await;
        let file = TargetFile::new();
        let password = [("ETCD_SD_PASSWORD", PASSWORD)];
        let daemon = Daemon::start_with(gate.endpoint(), &file, &ARGS, &password);
        daemon.wait_for_log("watching").await;
        Self { etcd, gate, file, daemon, services: 0 }
    }

    async fn register_one(&mut self) {
        self.services += 1;
        let key = format!("/services/web/{}", self.services);
        self.etcd.put(&key, format!("10.0.0.1:{}", self.services)).await;
    }

    async fn all_are_there(&self) {
        self.file.follows(&self.etcd).await;
        assert_eq!(self.file.groups()[0].targets.len(), self.services as usize);
    }

    async fn changes_for(&mut self, during: Duration) {
        let start = Instant::now();
        while start.elapsed() < during {
            self.register_one().await;
            sleep(Duration::from_millis(20)).await;
        }
        self.all_are_there().await;
    }

    /// Nothing happens, or nothing that is ours; and then something.
    async fn silence(&mut self, elsewhere: bool) {
        let connections = self.gate.accepted();
        always(TOO_LONG, "the connection stays", async || {
            if elsewhere {
                self.etcd.put("/elsewhere", "1").await;
                sleep(Duration::from_millis(500)).await;
            }
            let accepted = self.gate.accepted();
            ensure(accepted == connections, || format!("{accepted}, there were {connections}"))
        })
        .await;
        self.register_one().await;
        self.all_are_there().await;
    }

    /// The connection breaks, and something happens before there is a new one. An audit, on a
    /// connection of its own, ends it.
    async fn outage(&mut self) {
        const AUDITED: &str = "audited: the registry is what etcd holds";
        let audits = self.daemon.logged(AUDITED).len();
        self.gate.cut().await;
        self.register_one().await;
        self.gate.open();
        self.all_are_there().await;
        self.daemon.wait_for_logs(AUDITED, audits + 1).await;
    }

    async fn relist(&mut self) {
        let listed = self.daemon.logged("listed").len();
        self.daemon.signal(Signal::HUP);
        self.daemon.wait_for_logs("listed", listed + 1).await;
        self.all_are_there().await;
    }
}

async fn lives_on(tokens: Tokens) {
    let rounds = std::env::var("TEST_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let start = Instant::now();
    let mut life = Box::pin(Life::start(tokens)).await;
    for _ in 0..rounds {
        life.changes_for(Duration::from_secs(4)).await;
        life.silence(false).await;
        life.outage().await;
        life.silence(true).await;
        life.relist().await;
        life.changes_for(Duration::from_secs(2)).await;
    }
    life.daemon.still_runs();
    let losses = life.daemon.logged("connection lost").len();
    assert_eq!(losses, rounds, "one for each cut: {}", life.daemon.log().raw());
    assert!(life.daemon.logged("etcd refuses to answer").is_empty());
    eprintln!("{} changes in {:?}, none lost", life.services, start.elapsed());
}

async fn with_jwt_tokens_no_change_is_lost_and_no_connection() {
    Box::pin(lives_on(Tokens::Jwt(LIFE))).await;
}

async fn with_simple_tokens_no_change_is_lost_and_no_connection() {
    Box::pin(lives_on(Tokens::Simple(LIFE))).await;
}

/// A user who comes between a list and its watch can refuse the latter once: it is resumed then.
async fn watches_after_its_list(daemon: &Daemon, lists: usize) {
    eventually(SOON, "a watch stands after the list", async || {
        let lines = daemon.log().raw();
        let mut listed = lines.match_indices("\"message\":\"listed\"").skip(lists - 1);
        let after = listed.next().map_or("", |(at, _)| &lines[at..]);
        let watches = ["watching", "resumed"]
            .iter()
            .any(|word| after.contains(&format!("\"message\":\"{word}\"")));
        ensure(watches, || format!("no watch after list {lists}: {lines}"))
    })
    .await;
}

/// Every token that was given out is "old" as soon as a user is added.
async fn while_users_come_lists_and_changes_go_on() {
    let etcd = Etcd::with_users(Tokens::Jwt(300)).await;
    let entries: Vec<_> =
        (1..=3000).map(|id| (format!("/services/web/{id}"), format!("10.0.0.1:{id}"))).collect();
    etcd.put_all(&entries).await;
    // Each list looks these up in the history.
    for id in 1..=50 {
        etcd.put(&format!("/services/db/{id}"), format!("10.0.0.2:{id}")).await;
        etcd.put(&format!("/services/db/{id}"), "oops").await;
    }
    let password = PasswordFile::new(PASSWORD);
    let file = TargetFile::new();
    let args = ["--user", USER, "--password-file", password.path(), "--debounce", "10ms"];
    let mut daemon = Daemon::start(&etcd, &file, &args);
    daemon.wait_for_log("watching").await;
    daemon.wait_for_log("published").await;
    let whole = file.read();
    for round in 2..=12 {
        daemon.signal(Signal::HUP);
        let mut users = 0;
        while daemon.logged("listed").len() < round {
            users += 1;
            etcd.add_user(&format!("user-{round}-{users}")).await;
        }
        watches_after_its_list(&daemon, round).await;
        assert_eq!(file.read(), whole);
    }
    etcd.put("/services/web/1", "10.0.0.1:9999").await;
    let changed = whole.unwrap().replace("\"10.0.0.1:1\",", "");
    let changed = changed.replace("\"10.0.0.1:999\"", "\"10.0.0.1:999\",\"10.0.0.1:9999\"");
    file.becomes(&changed, SOON).await;
    daemon.still_runs();
}

with_own_etcd!(
    with_jwt_tokens_no_change_is_lost_and_no_connection,
    with_simple_tokens_no_change_is_lost_and_no_connection,
    while_users_come_lists_and_changes_go_on,
);
