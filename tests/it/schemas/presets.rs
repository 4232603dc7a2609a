//! What the daemon writes for every preset is what Prometheus takes, of version 2 and 3.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use etcd_sd::core::format::{Description, Format};

use crate::support::backend::{Etcd, on_real};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::prometheus::{
    Prometheus, prometheus_3, promtool_3, promtool_check, promtool_check_by, write_config_of,
};
use crate::support::rights::say_skipped;
use crate::support::wait::{SOON, ensure, eventually};

/// Prometheus acts on what it has discovered after some seconds.
const TAKEN_UP: Duration = Duration::from_secs(30);

const READ_ERRORS: &str = "prometheus_sd_file_read_errors_total";

/// A daemon for one preset, with all values of it that the corpus has.
struct Read {
    name: &'static str,
    file: TargetFile,
    _daemon: Daemon,
}

async fn what_is_written_for_every_preset_prometheus_takes(etcd: Etcd) {
    let mut read = Vec::new();
    for one in Format::all() {
        // A client of etcd's own writes the example, as it is documented.
        etcd.files().etcdctl_put(one.key, one.value);
        let values = documented(one);
        assert!(values.len() > 1 || one.name == "auto", "{} has no fixtures", one.name);
        for (number, value) in values.into_iter().enumerate() {
            etcd.put(&key(one, number), value).await;
        }
        read.push(Read::start(&etcd, one, &[]));
    }
    let with_names = [("grpc-naming", "a.b"), ("dubbo-go", "dubbo.tag"), ("milvus", "rack-id")];
    let mut utf8 = Vec::new();
    for (name, label) in with_names {
        let one = Format::all().iter().find(|one| one.name == name).unwrap();
        utf8.push((Read::start(&etcd, one, &["--utf8-labels"]), label));
    }
    for Read { name, file, .. } in read.iter().chain(utf8.iter().map(|(read, _)| read)) {
        eventually(SOON, &format!("targets of {name}"), async || {
            let text = file.read().unwrap_or_default();
            ensure(text.contains("\"targets\""), || format!("{text:?}"))
        })
        .await;
    }
    let files: Vec<_> = read.iter().map(|read| read.file.path()).collect();
    let home = tempfile::tempdir().unwrap();
    let config = write_config_of(home.path(), &files);
    let said = promtool_check(&config).unwrap();
    assert!(said.contains("SUCCESS"), "{said}");

    // Names of any text are for Prometheus 3 alone.
    for (Read { name, file, .. }, label) in &utf8 {
        assert!(file.read().unwrap().contains(&format!("\"{label}\":")), "{name}");
        promtool_check(&write_config_of(home.path(), &[file.path()])).unwrap_err();
    }
    let utf8: Vec<_> = utf8.iter().map(|(read, _)| read.file.path()).collect();
    by_prometheus_3(&[files, utf8].concat(), home.path()).await;
}

/// Prometheus 3 reads them all, with as many targets as there are in them.
async fn by_prometheus_3(files: &[&Path], home: &Path) {
    let Some(program) = prometheus_3() else {
        return say_skipped(
            "schemas::presets, with Prometheus 3",
            "needs one in the variable PROMETHEUS3: tests/run",
        );
    };
    let config = write_config_of(home, files);
    if let Some(promtool) = promtool_3() {
        promtool_check_by(&promtool, &config).unwrap();
    }
    let prometheus = Prometheus::start_with(&program, &config).await;
    let written: BTreeMap<_, _> =
        files.iter().map(|file| (file.to_str().unwrap().to_owned(), targets(file))).collect();
    eventually(TAKEN_UP, "it has the targets of every file", async || {
        let mut found = BTreeMap::new();
        for labels in prometheus.discovered().await {
            *found.entry(labels["__meta_filepath"].clone()).or_default() += 1;
        }
        ensure(found == written, || format!("{found:?}, not {written:?}"))
    })
    .await;
    assert_eq!(prometheus.metric(READ_ERRORS).await.to_string(), "0", "{READ_ERRORS}");
}

/// How many targets a file has.
fn targets(file: &Path) -> usize {
    let groups: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let groups = groups.as_array().unwrap().iter();
    groups.map(|group| group["targets"].as_array().unwrap().len()).sum()
}

impl Read {
    fn start(etcd: &Etcd, one: &Description, more: &[&str]) -> Self {
        let file = TargetFile::new();
        let mut args = vec!["--key-pattern", one.key_pattern, "--value-format", one.name];
        if one.name == "json" {
            args.extend(["--address", "{/host}:{/port}"]);
        }
        let daemon = Daemon::start(etcd, &file, &[&args[..], more].concat());
        Self { name: one.name, file, _daemon: daemon }
    }
}

/// The values of a format in the corpus of `tests/fuzz`.
fn documented(one: &Description) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/values");
    let prefix = format!("{}-", one.name);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix))
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A key of the preset's pattern.
fn key(one: &Description, number: usize) -> String {
    let mut key = String::new();
    let mut rest = one.key_pattern;
    while let Some((before, braced)) = rest.split_once('{') {
        let (name, after) = braced.split_once('}').unwrap();
        key.push_str(before);
        let any = format!("of-{}-{number}", one.name);
        key.push_str(name.split_once('=').map_or(&any, |(_, fixed)| fixed));
        rest = after;
    }
    key + rest
}

on_real!(what_is_written_for_every_preset_prometheus_takes);
