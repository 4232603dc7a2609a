//! A real etcd of three members, each behind a gate for its clients and one for its
//! peers. Whoever is given [`Cluster::gates`] sees the network that the test makes;
//! the test itself goes past them.

mod member;
mod surgery;

use std::path::Path;
use std::time::Duration;

use etcd_client::{Client, CompactionOptions, ConnectOptions, GetOptions};
use tempfile::TempDir;

use super::etcd::serves;
use super::wait::{SOON, eventually};
use member::Birth;
pub(crate) use member::Member;
pub(crate) use surgery::Snapshot;

pub(crate) const SIZE: usize = 3;

/// For one request.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a start is tried when another process is quicker to bind the ports.
const TRIES: usize = 5;

/// What three members write ahead, several times over.
const ROOM: u64 = 4 << 30;

pub(crate) struct Cluster {
    members: Vec<Member>,
    /// Names the cluster, together with the peers' URLs.
    token: String,
    folder: TempDir,
}

/// Everything below `/services/` at one revision.
pub(crate) struct Truth {
    pub(crate) revision: i64,
    pub(crate) entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Cluster {
    /// Starts it and waits until each member serves.
    pub(crate) async fn start() -> Self {
        for _ in 0..TRIES {
            let folder = folder();
            let mut members = Vec::new();
            for number in 0..SIZE {
                members.push(Member::new(number, folder.path()).await);
            }
            let mut cluster = Self { members, token: "tests".to_owned(), folder };
            cluster.spawn_all();
            match cluster.try_settle().await {
                Ok(()) => return cluster,
                Err(why) if why.contains("address already in use") => {}
                Err(why) => panic!("{why}"),
            }
        }
        panic!("etcd found no free ports, {TRIES} times");
    }

    /// The members as the daemon should know them, for `--server`.
    pub(crate) fn gates(&self) -> String {
        let gates: Vec<_> = self.members.iter().map(|member| member.gate().endpoint()).collect();
        gates.join(",")
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn member(&self, index: usize) -> &Member {
        &self.members[index]
    }

    /// The member on which somebody's connection through its gate is open now.
    pub(crate) fn serving(&self) -> Option<usize> {
        self.members.iter().position(|member| member.gate().forwarding() > 0)
    }

    /// Waits until there is one.
    pub(crate) async fn serves_somebody(&self) -> usize {
        eventually(SOON, "a connection through a gate", async || {
            self.serving().ok_or_else(|| "none".to_owned())
        })
        .await
    }

    /// The leader, as the first member that answers knows it.
    pub(crate) async fn leader(&self) -> Result<usize, String> {
        let leader = self.ask(async |mut client| Ok(client.status().await?.leader())).await?;
        let leader = self.members.iter().position(|member| member.id == leader);
        leader.ok_or_else(|| "no leader".to_owned())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, index: usize) {
        self.members[index].kill();
    }

    /// SIGSTOP: connections stay open and nothing is answered.
    pub(crate) fn freeze(&mut self, index: usize) {
        self.members[index].freeze();
    }

    /// Cuts a member off from the others; its clients still reach it.
    pub(crate) async fn partition(&self, index: usize) {
        let isolated = self.members[index].id;
        for (other, member) in self.members.iter().enumerate() {
            if other == index {
                member.peers().cut().await;
            } else {
                member.peers().cut_sender(isolated);
            }
        }
    }

    /// Ends whatever was done to processes and to the network. Members that are not
    /// there are started, and not waited for.
    pub(crate) fn heal(&mut self) {
        for member in &mut self.members {
            member.gate().open();
            member.peers().open();
            member.thaw();
        }
        self.spawn_all();
    }

    /// Waits until each member serves.
    pub(crate) async fn settle(&mut self) {
        self.try_settle().await.unwrap_or_else(|why| panic!("{why}"));
    }

    /// Forgets the history before a revision, also on disk.
    pub(crate) async fn compact(&self, revision: i64) -> Result<(), String> {
        self.ask(async |mut client| {
            let options = CompactionOptions::new().with_physical();
            client.compact(revision, Some(options)).await.map(drop)
        })
        .await
    }

    /// Has a member rewrite its database; it answers nothing meanwhile.
    pub(crate) async fn defragment(&self, index: usize) -> Result<(), String> {
        let endpoint = self.members[index].endpoint();
        ask(endpoint, PATIENCE, async |mut client| client.defragment().await.map(drop)).await
    }

    /// Has the leader hand over to the next member.
    pub(crate) async fn move_leader(&self) -> Result<(), String> {
        let leader = self.leader().await?;
        let (endpoint, next) = (self.members[leader].endpoint(), (leader + 1) % SIZE);
        let next = self.members[next].id;
        ask(endpoint, PATIENCE, async |mut client| client.move_leader(next).await.map(drop)).await
    }

    /// Reads what a quorum agrees on.
    pub(crate) async fn read(&self) -> Result<Truth, String> {
        self.read_at(0).await
    }

    /// Reads what there was at a revision; 0 is the newest.
    pub(crate) async fn read_at(&self, revision: i64) -> Result<Truth, String> {
        self.ask(async |mut client| {
            let options = GetOptions::new().with_prefix().with_revision(revision);
            let mut answer = client.get("/services/", Some(options)).await?;
            let newest = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
            let entries = answer.take_kvs().into_iter().map(etcd_client::KeyValue::into_key_value);
            let revision = if revision == 0 { newest } else { revision };
            Ok(Truth { revision, entries: entries.collect() })
        })
        .await
    }

    /// Registers an entry; returns the revision.
    pub(crate) async fn put(&self, key: &str, address: &str) -> i64 {
        // Where a leader has just been lost, another is found in a moment.
        let put = eventually(2 * SOON, "a put", async || {
            self.ask(async |mut client| client.put(key, address, None).await).await
        });
        put.await.header().unwrap().revision()
    }

    /// Makes a request of one member after the other until one answers.
    pub(crate) async fn ask<T>(
        &self,
        request: impl AsyncFn(Client) -> Result<T, etcd_client::Error>,
    ) -> Result<T, String> {
        self.ask_patiently(PATIENCE, request).await
    }

    /// The same, when an answer takes so long.
    pub(crate) async fn ask_patiently<T>(
        &self,
        patience: Duration,
        request: impl AsyncFn(Client) -> Result<T, etcd_client::Error>,
    ) -> Result<T, String> {
        let mut complaints = Vec::new();
        for member in self.members.iter().filter(|member| member.may_answer()) {
            match ask(member.endpoint(), patience, &request).await {
                Ok(answer) => return Ok(answer),
                Err(why) => complaints.push(format!("{}: {why}", member.name())),
            }
        }
        Err(complaints.join("; "))
    }

    fn spawn_all(&mut self) {
        for index in 0..SIZE {
            if !self.members[index].runs() {
                self.spawn(index, false);
            }
        }
    }

    fn spawn(&mut self, index: usize, joins: bool) {
        let (token, initial_cluster) = (self.token.clone(), self.initial_cluster());
        let birth = Birth { token: &token, initial_cluster: &initial_cluster, joins };
        self.members[index].spawn(&birth);
    }

    /// As etcd's flag wants it.
    fn initial_cluster(&self) -> String {
        let members = self.members.iter();
        let members: Vec<_> =
            members.map(|member| format!("{}={}", member.name(), member.peer_url())).collect();
        members.join(",")
    }

    /// Waits until each member serves, and learns the ids of all; `Err` if one has ended.
    async fn try_settle(&mut self) -> Result<(), String> {
        let members = &mut self.members;
        eventually(6 * SOON, "each member serves", async || {
            if let Some(why) = members.iter_mut().find_map(Member::ended) {
                return Ok(Err(why));
            }
            for member in members.iter() {
                let name = member.name();
                serves(member.endpoint(), &ConnectOptions::new())
                    .await
                    .map_err(|why| format!("{name}: {why}"))?;
            }
            Ok(Ok(()))
        })
        .await?;
        let list = self.ask(async |mut client| client.member_list().await).await?;
        for member in &mut self.members {
            let listed = list.members().iter().find(|listed| listed.name() == member.name());
            member.id = listed.ok_or_else(|| format!("no {}", member.name()))?.id();
        }
        Ok(())
    }
}

/// Makes a request of one member.
async fn ask<T>(
    endpoint: &str,
    patience: Duration,
    request: impl AsyncFn(Client) -> Result<T, etcd_client::Error>,
) -> Result<T, String> {
    let ask = async { request(Client::connect([endpoint], None).await?).await };
    let answer = tokio::time::timeout(patience, ask).await;
    let answer = answer.map_err(|_| format!("no answer within {patience:?}"))?;
    answer.map_err(|error| error.to_string())
}

/// In memory where there is room: etcd waits for its disk after each write, and is
/// killed, so that it can't be told not to.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = match rustix::fs::statvfs(memory) {
        Ok(found) if found.f_bavail * found.f_frsize > ROOM => memory.to_owned(),
        _ => std::env::temp_dir(),
    };
    tempfile::Builder::new().prefix("etcd-sd-cluster-").tempdir_in(place).unwrap()
}
