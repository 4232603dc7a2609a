//! Many bad entries among the good ones.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::etcd::base64;
use crate::support::file::TargetFile;
use crate::support::prometheus::{Prometheus, prometheus, promtool_check, write_config_of};
use crate::support::ran::etcd_sd;
use crate::support::random::Random;
use crate::support::wait::{SOON, ensure, eventually};

const BAD: usize = 100_000;
const GOOD: usize = 1_000;
const SERVICES: usize = 20;

/// To list a hundred thousand entries, and to say something of each.
const A_WHILE: Duration = Duration::from_secs(60);

type Entry = (Vec<u8>, Vec<u8>);

async fn all_good_entries_among_100_000_of_any_bytes_are_published(etcd: Etcd) {
    let mut random = Random::new();
    let good: Vec<_> = (0..GOOD).map(good).collect();
    let bad: Vec<_> = (0..BAD).map(|number| bad(number, &mut random)).collect();
    // Half of the good ones stand in the middle of the bad ones.
    etcd.put_all(&good[..GOOD / 2]).await;
    etcd.put_all(&bad).await;
    etcd.put_all(&good[GOOD / 2..]).await;

    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &["--log-level", "debug"]);
    file.becomes(&document(), A_WHILE).await;
    let listed = daemon.wait_for_log("listed").await;
    assert_eq!(listed.number("quarantined"), i64::try_from(BAD).unwrap());
    // Each is named, with a reason: the first ones as warnings, the others to who asks.
    let lines = daemon.wait_for_logs("entry quarantined", BAD).await;
    assert!(lines.iter().all(|line| !line.text("reason").is_empty()));
    let numbers: BTreeSet<String> = lines
        .iter()
        .map(|line| line.text("key").rsplit_once("-n").expect("a number").1.to_owned())
        .collect();
    assert_eq!(numbers.len(), BAD);

    check_lists(&etcd, &bad).await;
    if !etcd.is_embedded() {
        prometheus_takes(&file).await;
    }
}

/// `check` names each of them, and no other, with a reason.
async fn check_lists(etcd: &Etcd, bad: &[Entry]) {
    let ran = etcd_sd(&["check", "--json", "--server", etcd.endpoint()]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (6, ""));
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["targets"], GOOD);
    let listed = report["quarantined_entries"].as_array().unwrap().iter().map(|entry| {
        assert!(!entry["reason"].as_str().unwrap().is_empty(), "{entry}");
        let exact = entry.get("key_base64").map(|key| base64(key.as_str().unwrap()));
        exact.unwrap_or_else(|| entry["key"].as_str().unwrap().into())
    });
    let listed: BTreeSet<Vec<u8>> = listed.collect();
    assert!(listed.iter().eq(bad.iter().map(|(key, _)| key).collect::<BTreeSet<_>>()));
}

/// Of version 2: the one that is strict about names.
async fn prometheus_takes(file: &TargetFile) {
    let home = tempfile::tempdir().unwrap();
    let config = write_config_of(home.path(), &[file.path()]);
    promtool_check(&config).unwrap();
    let prometheus = Prometheus::start_with(&prometheus(), &config).await;
    let expected: BTreeSet<_> = (0..GOOD).map(|number| (job(number), address(number))).collect();
    eventually(3 * SOON, "Prometheus has the thousand", async || {
        let found = prometheus.discovered().await;
        let found: BTreeSet<_> = found
            .into_iter()
            .map(|labels| (labels["job"].clone(), labels["__address__"].clone()))
            .collect();
        ensure(found == expected, || format!("{} targets", found.len()))
    })
    .await;
}

fn job(number: usize) -> String {
    format!("web-{:02}", number % SERVICES)
}

fn address(number: usize) -> String {
    format!("10.0.{}.{}:9100", number / 250, number % 250)
}

fn good(number: usize) -> Entry {
    let key = format!("/services/{}/{number}", job(number));
    (key.into(), address(number).into())
}

/// Any bytes at the place of an instance, or in its value, or both. It ends in its number.
fn bad(number: usize, random: &mut Random) -> Entry {
    let (mut service, mut value) = (b"web-00".to_vec(), address(number).into_bytes());
    match number % 4 {
        // A good value, at a key that is no text.
        0 => service = insert(bytes(random), &[0xff], random),
        1 => value = insert(bytes(random), &[0xc3], random),
        // Text, and of no shape.
        2 => value = [b"{", &*printable(random)].concat(),
        _ => {
            service = bytes(random);
            value = insert(bytes(random), b" \0 ", random);
        }
    }
    let key = [b"/services/x", &*service, format!("/-n{number}").as_bytes()].concat();
    (key, value)
}

/// Some bytes, without a slash.
fn bytes(random: &mut Random) -> Vec<u8> {
    let count = 1 + random.index(40);
    let byte = |random: &mut Random| u8::try_from(random.below(256)).unwrap();
    (0..count).map(|_| byte(random)).map(|byte| if byte == b'/' { b'%' } else { byte }).collect()
}

fn printable(random: &mut Random) -> Vec<u8> {
    bytes(random).into_iter().map(|byte| b' ' + byte % 94).collect()
}

fn insert(mut bytes: Vec<u8>, what: &[u8], random: &mut Random) -> Vec<u8> {
    let at = random.index(bytes.len() + 1);
    bytes.splice(at..at, what.iter().copied());
    bytes
}

/// What the good ones make.
fn document() -> String {
    let groups: Vec<String> = (0..SERVICES)
        .map(|service| {
            let numbers = (0..GOOD).filter(|number| number % SERVICES == service);
            let mut addresses: Vec<_> =
                numbers.map(|number| format!("{:?}", address(number))).collect();
            addresses.sort();
            let addresses = addresses.join(",");
            format!(r#"{{"targets":[{addresses}],"labels":{{"job":"{}"}}}}"#, job(service))
        })
        .collect();
    format!("[\n{}\n]\n", groups.join(",\n"))
}

on_both!(all_good_entries_among_100_000_of_any_bytes_are_published);
