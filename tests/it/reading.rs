//! From keys and values to targets: the registry shows in the file, and nothing
//! else does.

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::SOON;

/// Short enough that no test waits for it.
const QUICK: [&str; 2] = ["--debounce", "10ms"];

async fn the_file_shows_what_etcd_holds_when_the_daemon_starts(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/node_exporter/1", "10.0.34.12:32535").await;
    etcd.put("/services/node_exporter/0", "10.0.33.1:54423").await;
    let revision = etcd.put("/services/web/a", "web-1.example.com:80").await;

    let daemon = Daemon::start(&etcd, &file, &[]);
    let document = concat!(
        "[\n",
        r#"{"targets":["10.0.33.1:54423","10.0.34.12:32535"],"labels":{"job":"node_exporter"}},"#,
        "\n",
        r#"{"targets":["web-1.example.com:80"],"labels":{"job":"web"}}"#,
        "\n]\n"
    );
    file.becomes(document, SOON).await;

    let listed = daemon.wait_for_log("listed").await;
    let counted = ["revision", "entries", "services", "targets", "quarantined", "ignored"]
        .map(|name| listed.number(name));
    assert_eq!(counted, [revision, 3, 2, 3, 0, 0]);
    let published = daemon.wait_for_log("published").await;
    assert_eq!(published.number("revision"), revision);
    assert_eq!(published.number("bytes"), i64::try_from(document.len()).unwrap());
    daemon.wait_for_log("connected").await;
    let watching = daemon.wait_for_log("watching").await;
    assert_eq!(watching.number("from_revision"), revision + 1);
}

async fn puts_updates_and_deletes_show_in_the_file(etcd: Etcd) {
    let file = TargetFile::new();
    let _daemon = Daemon::start(&etcd, &file, &QUICK);
    file.becomes("[]\n", SOON).await;

    etcd.put("/services/web/1", "10.0.0.1:80").await;
    file.becomes(&web(r#""10.0.0.1:80""#), SOON).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.becomes(&web(r#""10.0.0.1:80","10.0.0.2:80""#), SOON).await;
    etcd.put("/services/web/1", "10.0.0.9:80").await;
    file.becomes(&web(r#""10.0.0.2:80","10.0.0.9:80""#), SOON).await;
    etcd.delete("/services/web/2").await;
    file.becomes(&web(r#""10.0.0.9:80""#), SOON).await;
    etcd.delete("/services/web/1").await;
    file.becomes("[]\n", SOON).await;
}

async fn a_service_leaves_with_its_last_instance_and_comes_back(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/db/1", "10.0.1.1:5432").await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let _daemon = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;

    etcd.delete("/services/db/1").await;
    file.becomes(&web(r#""10.0.0.1:80""#), SOON).await;
    etcd.put("/services/db/1", "10.0.1.1:5432").await;
    file.follows(&etcd).await;
    assert_eq!(file.groups().len(), 2);
}

async fn whole_services_and_the_whole_tree_can_be_deleted_in_one_revision(etcd: Etcd) {
    let file = TargetFile::new();
    for service in ["a", "ab", "web"] {
        let entries =
            (1..=300).map(|id| (format!("/services/{service}/{id}"), format!("10.0.0.1:{id}")));
        etcd.put_all(&entries.collect::<Vec<_>>()).await;
    }
    let unguarded = [&QUICK[..], &["--guard-ratio", "1"]].concat();
    let _daemon = Daemon::start(&etcd, &file, &unguarded);
    file.follows(&etcd).await;
    assert_eq!(file.groups().len(), 3);

    etcd.delete_prefix("/services/a/").await;
    file.follows(&etcd).await;
    assert_eq!(file.groups().len(), 2);
    etcd.delete_prefix("/services").await;
    file.becomes("[]\n", SOON).await;
}

async fn an_instance_id_is_any_text_without_a_slash(etcd: Etcd) {
    let file = TargetFile::new();
    let ids = ["web-1", "10.0.0.1:80", "ünï cödé", "0", "-1", "a.b", "%2F", "\"", "{}", "\n"];
    for (port, id) in (1..).zip(ids) {
        etcd.put(&format!("/services/before/{id}"), format!("10.0.0.1:{port}")).await;
    }
    let _daemon = Daemon::start(&etcd, &file, &QUICK);
    for (port, id) in (1..).zip(ids) {
        etcd.put(&format!("/services/after/{id}"), format!("10.0.0.2:{port}")).await;
    }
    file.follows(&etcd).await;
    assert!(file.groups().iter().all(|group| group.targets.len() == ids.len()));

    for service in ["before", "after"] {
        etcd.delete(&format!("/services/{service}/web-1")).await;
    }
    file.follows(&etcd).await;
    assert!(file.groups().iter().all(|group| group.targets.len() == ids.len() - 1));
}

async fn a_service_name_is_any_text_and_becomes_the_job(etcd: Etcd) {
    let file = TargetFile::new();
    let names = ["web", "web server", "ünï", "a\"b\\c", "tab\there", "\u{2028}\u{85}", "1"];
    let _daemon = Daemon::start(&etcd, &file, &QUICK);
    for name in names {
        etcd.put(&format!("/services/{name}/1"), "10.0.0.1:80").await;
    }
    file.follows(&etcd).await;
    let mut jobs: Vec<String> =
        file.groups().iter().map(|group| group.labels["job"].clone()).collect();
    let mut names = names.map(str::to_owned).to_vec();
    jobs.sort();
    names.sort();
    assert_eq!(jobs, names);
}

async fn keys_that_are_not_ours_change_nothing(etcd: Etcd) {
    let file = TargetFile::new();
    let foreign = [
        "/services2/web/1",
        "/service/web/1",
        "/services",
        "/services/",
        "/services/web",
        "/services/web/",
        "/services/web/1/deeper",
        "/services/web/1/deeper/still",
        "/services/marker",
        "services/web/1",
        "/",
    ];
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    for key in foreign {
        etcd.put(key, "10.6.6.6:666").await;
    }
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    let document = web(r#""10.0.0.1:80""#);
    file.becomes(&document, SOON).await;
    let listed = daemon.wait_for_log("listed").await;
    assert_eq!(listed.number("targets"), 1);
    assert_eq!(listed.number("ignored"), 2, "the two deeper keys: {listed:?}");

    // Written and deleted while it watches: none may touch the instance.
    assert_eq!(daemon.wait_for_logs("published", 1).await.len(), 1);
    for key in foreign {
        etcd.put(key, "10.6.6.7:667").await;
        etcd.delete(key).await;
    }
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.becomes(&web(r#""10.0.0.1:80","10.0.0.2:80""#), SOON).await;
    assert_eq!(daemon.wait_for_logs("published", 2).await.len(), 2);
}

async fn an_address_that_is_registered_twice_is_one_target(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/web/2", " 10.0.0.1:80\n").await;
    let _daemon = Daemon::start(&etcd, &file, &QUICK);
    file.becomes(&web(r#""10.0.0.1:80""#), SOON).await;
    // It stays as long as either does.
    etcd.delete("/services/web/1").await;
    etcd.put("/services/web/3", "10.0.0.3:80").await;
    file.becomes(&web(r#""10.0.0.1:80","10.0.0.3:80""#), SOON).await;
}

async fn a_json_value_gives_targets_and_labels(etcd: Etcd) {
    let file = TargetFile::new();
    let values = [
        ("1", r#"{"targets":["10.0.0.2:80","10.0.0.1:80"],"labels":{"zone":"b","env":"prod"}}"#),
        ("2", r#"{"address":"10.0.0.3:80","labels":{"env":"prod","zone":"b"}}"#),
        ("3", r#" {"address":" [2001:db8::1]:80 ","weight":10,"labels":{}} "#),
        ("4", r#"{"targets":["web-4:80"]}"#),
        ("5", r#"{"address":"10.0.0.5:80","labels":{"env":"a \"test\" ü"}}"#),
    ];
    for (id, value) in values {
        etcd.put(&format!("/services/web/{id}"), value).await;
    }
    let _daemon = Daemon::start(&etcd, &file, &QUICK);
    let document = [
        "[",
        r#"{"targets":["[2001:db8::1]:80","web-4:80"],"labels":{"job":"web"}},"#,
        r#"{"targets":["10.0.0.5:80"],"labels":{"job":"web","env":"a \"test\" ü"}},"#,
        r#"{"targets":["10.0.0.1:80","10.0.0.2:80","10.0.0.3:80"],"labels":{"job":"web","env":"prod","zone":"b"}}"#,
        "]\n",
    ];
    file.becomes(&document.join("\n"), SOON).await;
    assert_eq!(etcd.document(), document.join("\n"));
}

async fn an_entry_leaves_when_its_lease_expires(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/stays", "10.0.0.1:80").await;
    let before = etcd.grant(2).await;
    etcd.put_leased("/services/web/a", "10.0.0.2:80", before).await;
    let _daemon = Daemon::start(&etcd, &file, &QUICK);
    let after = etcd.grant(2).await;
    etcd.put_leased("/services/web/b", "10.0.0.3:80", after).await;
    etcd.put_leased("/services/other/b", "10.0.0.4:80", after).await;
    file.follows(&etcd).await;
    assert_eq!(file.groups().len(), 2);

    // Nobody keeps the leases alive, and nothing else happens.
    file.becomes(&web(r#""10.0.0.1:80""#), SOON).await;
    assert_eq!(etcd.entries().len(), 1);
}

async fn another_prefix_can_be_watched_with_or_without_its_slash(etcd: Etcd) {
    etcd.put("/a/tree/web/1", "10.0.0.1:80").await;
    etcd.put("/a/tree2/web/1", "10.0.0.2:80").await;
    etcd.put("/services/web/1", "10.0.0.3:80").await;
    for prefix in ["/a/tree", "/a/tree/"] {
        let file = TargetFile::new();
        let _daemon = Daemon::start(&etcd, &file, &["--prefix", prefix]);
        file.becomes(&web(r#""10.0.0.1:80""#), SOON).await;
    }
}

async fn one_living_member_of_the_list_is_enough(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    // Port 9, discard: nobody listens there.
    let servers = format!("http://127.0.0.1:9,{}", etcd.endpoint());
    let _daemon = Daemon::start_at(&servers, &file, &QUICK);
    file.follows(&etcd).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
}

/// A document with one group.
fn web(targets: &str) -> String {
    format!("[\n{{\"targets\":[{targets}],\"labels\":{{\"job\":\"web\"}}}}\n]\n")
}

on_both!(
    the_file_shows_what_etcd_holds_when_the_daemon_starts,
    puts_updates_and_deletes_show_in_the_file,
    a_service_leaves_with_its_last_instance_and_comes_back,
    whole_services_and_the_whole_tree_can_be_deleted_in_one_revision,
    an_instance_id_is_any_text_without_a_slash,
    a_service_name_is_any_text_and_becomes_the_job,
    keys_that_are_not_ours_change_nothing,
    an_address_that_is_registered_twice_is_one_target,
    a_json_value_gives_targets_and_labels,
    an_entry_leaves_when_its_lease_expires,
    another_prefix_can_be_watched_with_or_without_its_slash,
    one_living_member_of_the_list_is_enough,
);
