//! What operators do to a cluster: replace members, restore it from a snapshot,
//! begin it anew.

use std::path::PathBuf;

use crate::support::snapshots::etcdctl;
use crate::support::wait::{SOON, eventually};

use super::{Cluster, Member};

/// All of a cluster at one revision, in a file.
pub(crate) struct Snapshot {
    path: PathBuf,
    /// The newest that it holds.
    pub(crate) revision: i64,
}

impl Cluster {
    /// Removes a member and lets it join again with empty data; does not wait until it
    /// serves.
    pub(crate) async fn wipe(&mut self, index: usize) {
        self.members[index].forget();
        let (id, url) = (self.members[index].id, self.members[index].peer_url().to_owned());
        let name = self.members[index].name().to_owned();
        // Both need a leader, which there may not be right after a member's death; and
        // should an answer be lost, the next try would fail. What counts is the list, which may
        // be an old one.
        eventually(2 * SOON, &format!("{name} is removed"), async || {
            if self.listed().await?.contains(&(id, url.clone())) {
                self.ask(async |mut client| client.member_remove(id).await).await?;
            }
            Ok(())
        })
        .await;
        let new_id = eventually(2 * SOON, &format!("{name} is added"), async || {
            let is_new = |(listed, at): &(u64, String)| *listed != id && *at == url;
            if let Some(&(id, _)) = self.listed().await?.iter().find(|&listed| is_new(listed)) {
                return Ok(id);
            }
            let added = self.ask(async |mut client| client.member_add([&url], None).await).await?;
            Ok(added.member().ok_or("no word on the new member")?.id())
        })
        .await;
        self.members[index].id = new_id;
        self.spawn(index, true);
    }

    /// Saves all of it.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, String> {
        let path = self.folder.path().join("snapshot.db");
        let file = path.to_str().unwrap();
        let endpoint = self.members.iter().find(|member| member.runs());
        let endpoint = endpoint.ok_or("no member runs")?.endpoint();
        etcdctl(&["--endpoints", endpoint, "snapshot", "save", file])?;
        let status = etcdctl(&["snapshot", "status", file, "--write-out=json"])?;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        Ok(Snapshot { path, revision: status["revision"].as_i64().unwrap() })
    }

    /// Kills all members and starts them with what a snapshot has. The ids of the cluster
    /// and of its members are those of its first start. Does not wait until they serve.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) {
        self.members.iter_mut().for_each(Member::forget);
        let file = snapshot.path.to_str().unwrap();
        let initial_cluster = self.initial_cluster();
        for member in &self.members {
            let data = member.data();
            let arguments = [
                ("--name", member.name()),
                ("--data-dir", data.to_str().unwrap()),
                ("--initial-cluster", &initial_cluster),
                ("--initial-cluster-token", &self.token),
                ("--initial-advertise-peer-urls", member.peer_url()),
            ];
            let arguments = arguments.iter().flat_map(|&(flag, value)| [flag, value]);
            let arguments: Vec<_> =
                ["snapshot", "restore", file].into_iter().chain(arguments).collect();
            etcdctl(&arguments).unwrap();
        }
        self.spawn_all();
    }

    /// Kills all members and starts a new, empty cluster in their place. Does not wait
    /// until they serve.
    pub(crate) fn recreate(&mut self) {
        self.members.iter_mut().for_each(Member::forget);
        self.token += "-again";
        self.spawn_all();
    }

    /// The members' ids and URLs, as the members know them.
    async fn listed(&self) -> Result<Vec<(u64, String)>, String> {
        let list = self.ask(async |mut client| client.member_list().await).await?;
        let members = list.members().iter();
        let urls = members
            .flat_map(|member| member.peer_urls().iter().map(|url| (member.id(), url.clone())));
        Ok(urls.collect())
    }
}
