//! A target directory: the files of the services, and what each should be called and hold,
//! worked out a second time from the rule in the README.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::backend::Etcd;
use super::daemon::Daemon;
use super::file::{Stamp, TargetFile};
use super::render;
use super::wait::{SOON, eventually};

/// What the files in a directory hold, by name.
pub(crate) type Files = BTreeMap<String, String>;

/// A directory for a daemon, in another one that ends with the test.
pub(crate) struct TargetDir {
    path: PathBuf,
    home: Option<TempDir>,
}

impl TargetDir {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("targets");
        fs::create_dir(&path).unwrap();
        Self { path, home: Some(home) }
    }

    /// One that is somebody else's.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), home: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it stands in: nothing else is there.
    pub(crate) fn home(&self) -> &Path {
        self.home.as_ref().unwrap().path()
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> TargetFile {
        TargetFile::at(self.path.join(name))
    }

    /// Starts a daemon on it that writes no single file.
    pub(crate) fn start(&self, etcd: &Etcd, more: &[&str]) -> Daemon {
        let (server, path) = (etcd.endpoint(), self.path.to_str().unwrap());
        let args = ["--server", server, "--no-target-file", "--target-dir", path];
        Daemon::run(&[&args, more, &["--log-format", "json"]].concat())
    }

    /// All files right in it.
    pub(crate) fn files(&self) -> Files {
        let entries = fs::read_dir(&self.path).unwrap().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let files = files.filter_map(|entry| match fs::read(entry.path()) {
            Ok(bytes) => Some((name_of(&entry), String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => panic!("{}: {error}", entry.path().display()),
        });
        files.collect()
    }

    /// What tells for each file whether it was written since.
    pub(crate) fn stamps(&self) -> BTreeMap<String, Stamp> {
        let names = self.files().into_keys();
        names.map(|name| (name.clone(), self.file(&name).stamp())).collect()
    }

    /// Waits until it has exactly these files.
    pub(crate) async fn becomes(&self, expected: &Files, within: Duration) {
        eventually(within, "the files are right", async || differ(&self.files(), expected)).await;
    }

    /// Waits until it has the files of what the registry holds now, and no others.
    pub(crate) async fn follows(&self, etcd: &Etcd) {
        self.becomes(&expected(etcd), 3 * SOON).await;
    }

    /// What is in the staging directory.
    pub(crate) fn staged(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.join(".etcd-sd")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| name_of(&entry.unwrap())).collect();
        names.sort();
        names
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.path.join(".etcd-sd/manifest.json")
    }
}

fn name_of(entry: &fs::DirEntry) -> String {
    entry.file_name().into_string().expect("a name in UTF-8")
}

/// The files of what the registry holds now.
pub(crate) fn expected(etcd: &Etcd) -> Files {
    let mut services = BTreeMap::<String, Vec<_>>::new();
    for (key, value) in etcd.entries() {
        let text = String::from_utf8(key.clone()).expect("a key in UTF-8");
        let service = text.split('/').nth(2).expect("a service").to_owned();
        services.entry(service).or_default().push((key, value));
    }
    let files = services.iter();
    files.map(|(service, entries)| (file_name(service), render::document(entries))).collect()
}

/// What the file of a service is called.
pub(crate) fn file_name(service: &str) -> String {
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    let stem = service.split('.').next().unwrap();
    let numbered = |kind: &str| {
        let number = stem.strip_prefix(kind).unwrap_or_default();
        number.len() == 1 && number.parse::<u8>().is_ok()
    };
    let is_special = service.starts_with(['.', '-'])
        || DEVICES.contains(&stem)
        || numbered("com")
        || numbered("lpt");
    let mut name = String::new();
    for (at, byte) in service.bytes().enumerate() {
        let c = char::from(byte);
        let is_plain = c.is_ascii_lowercase() || c.is_ascii_digit() || ['-', '_', '.'].contains(&c);
        if is_plain && (at > 0 || !is_special) {
            name.push(c);
        } else {
            write!(name, "%{byte:02x}").unwrap();
        }
    }
    if name.len() + ".json".len() > 200 {
        let mut end = 100;
        while name[..end].rfind('%').is_some_and(|at| at + 3 > end) {
            end -= 1;
        }
        name.truncate(end);
        name.push('~');
        for byte in Sha256::digest(service) {
            write!(name, "{byte:02x}").unwrap();
        }
    }
    name + ".json"
}

/// The service of a file name without a digest.
pub(crate) fn decode(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.strip_suffix(".json").expect("a target file").bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).expect("a service in UTF-8")
}

/// Says how files are not what they should be.
pub(crate) fn differ(files: &Files, expected: &Files) -> Result<(), String> {
    if files == expected {
        return Ok(());
    }
    let missing: Vec<_> = expected.keys().filter(|name| !files.contains_key(*name)).collect();
    let extra: Vec<_> = files.keys().filter(|name| !expected.contains_key(*name)).collect();
    let mut wrong =
        expected.iter().filter(|(name, text)| files.get(*name).is_some_and(|found| found != *text));
    let first = wrong.next().map(|(name, text)| format!("{name}: {:?}, not {text:?}", files[name]));
    let few = |names: Vec<&String>| format!("{} {:?}", names.len(), &names[..names.len().min(3)]);
    Err(format!("missing {}, too many {}, wrong: {first:?}", few(missing), few(extra)))
}

#[test]
fn file_names_are_those_of_the_readme() {
    for (service, name) in [
        ("node_exporter", "node_exporter.json"),
        ("API", "%41%50%49.json"),
        ("..", "%2e..json"),
        ("con", "%63on.json"),
        ("com1.x", "%63om1.x.json"),
        ("a/b%", "a%2fb%25.json"),
    ] {
        assert_eq!(file_name(service), name);
        assert_eq!(decode(name), service);
    }
}
