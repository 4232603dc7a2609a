//! The manifest of a target directory: which files in it etcd-sd has made.
//!
//! Only those are ever changed or removed. It is written before a file that is new in it is
//! created, and after one is removed, so that it never lacks a file that etcd-sd has made; what it
//! names too much is no file.
//!
//! ```text
//! {"version":1,"files":{
//! "%41%50%49.json":"API",
//! "api.json":"api"
//! }}
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

use super::compare::{identity, read};
use super::error::Error;
use super::identity::{Access, Identity};
use super::stage;
use super::target::sync;
use crate::core::file_name::FileName;

/// What it is called, in the staging directory.
pub(super) const NAME: &str = "manifest.json";

/// Of the format.
const VERSION: u64 = 1;

/// The files and their services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    files: BTreeMap<FileName, Box<str>>,
}

/// Why bytes are no manifest that this program can use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// Nobody but etcd-sd writes it, and that never by halves.
    #[error(
        "it is damaged ({0}): bring it back from a backup, or give --force once to begin a new \
         one; that overwrites files that have the names of services, and files of services that \
         are gone have to be removed by hand then"
    )]
    Damaged(String),
    /// What else it says is not known.
    #[error(
        "it has version {0}, and this etcd-sd knows version {VERSION}: run the newer etcd-sd \
         that has written it, or give another --target-dir"
    )]
    Newer(u64),
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "version")]
    _version: u64,
    files: BTreeMap<String, Box<str>>,
}

impl Manifest {
    /// Reads the bytes of a manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let damaged = |error: serde_json::Error| {
            // Without the text, which may be anything.
            let (line, column) = (error.line(), error.column());
            Unusable::Damaged(format!("line {line}, column {column}"))
        };
        let Head { version } = serde_json::from_slice(bytes).map_err(damaged)?;
        if version > VERSION {
            return Err(Unusable::Newer(version));
        }
        let Body { files, .. } = serde_json::from_slice(bytes).map_err(damaged)?;
        let mut manifest = Self::default();
        for (name, service) in files {
            let expected = FileName::encode(&service);
            // A path that leads elsewhere is no such name either.
            if service.is_empty() || expected.as_str() != name {
                return Err(Unusable::Damaged(format!("{name:?} is not the file of {service:?}")));
            }
            manifest.files.insert(expected, service);
        }
        Ok(manifest)
    }

    /// Its bytes: a file a line, ascending.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{{\"version\":{VERSION},\"files\":{{");
        for (index, (name, service)) in self.files.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let service = serde_json::Value::from(&**service);
            // A file name has nothing to escape, and a text takes all that is written to it.
            let _ = write!(text, "{comma}\n\"{name}\":{service}");
        }
        text.push_str(if self.files.is_empty() { "}}\n" } else { "\n}}\n" });
        text.into_bytes()
    }

    /// The files and their services, ascending by file.
    pub fn files(&self) -> impl Iterator<Item = (&FileName, &str)> {
        self.files.iter().map(|(name, service)| (name, &**service))
    }

    /// Whether etcd-sd has made the file of that name.
    #[must_use]
    pub fn has(&self, name: &FileName) -> bool {
        self.files.contains_key(name)
    }

    /// The file of `service` is going to be made.
    pub fn add(&mut self, service: &str) {
        self.files.insert(FileName::encode(service), service.into());
    }

    /// The file of that name is not there, or not made by etcd-sd. Returns whether that was not
    /// known.
    pub fn remove(&mut self, name: &FileName) -> bool {
        self.files.remove(name).is_some()
    }

    /// Reads the manifest in `staging`; `None` if there is none.
    pub(super) fn read(staging: &Path) -> Result<Option<Self>, Error> {
        let path = staging.join(NAME);
        let fail = |source| Error::Manifest { path: path.clone(), source };
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_file() => {
                return Err(fail(Unusable::Damaged("it is not a regular file".to_owned())));
            }
            // What can't be looked at can't be read, which says why.
            _ => {}
        }
        let bytes = read(&path)?;
        bytes.map(|bytes| Self::parse(&bytes).map_err(fail)).transpose()
    }

    /// How the manifest in `staging` looks; `None` if there is none.
    pub(super) fn identity(staging: &Path) -> Result<Option<Identity>, Error> {
        identity(&staging.join(NAME))
    }

    /// Makes it the manifest in `staging`, from one instant to the next. Returns how that looks.
    pub(super) fn write(&self, staging: &Path) -> Result<Identity, Error> {
        let path = staging.join(NAME);
        let bytes = self.to_bytes();
        let write = || -> io::Result<Identity> {
            let access = Access::default();
            let staged = stage::write(staging, NAME, [&*bytes].into_iter(), access)?;
            let before = stage::sync(&staged)?;
            let file = staged.persist(&path).map_err(|error| error.error)?;
            let after = file.metadata().map(|metadata| Identity::of(&metadata));
            Ok(after.map_or(before, |after| before.after_rename(after)))
        };
        let identity = write().map_err(|error| Error::new("write", &path, error, bytes.len()))?;
        // Where directories can't be synced, that is said of the files.
        let _ = sync(staging);
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::Chain;

    fn manifest(services: &[&str]) -> Manifest {
        let mut manifest = Manifest::default();
        for service in services {
            manifest.add(service);
        }
        manifest
    }

    #[test]
    fn it_has_a_file_a_line_ascending() {
        let check = |services: &[&str], expected: &str| {
            let bytes = manifest(services).to_bytes();
            assert_eq!(str::from_utf8(&bytes), Ok(expected));
        };
        check(&[], "{\"version\":1,\"files\":{}}\n");
        check(
            &["web", "api", "API", "q\"\n"],
            "{\"version\":1,\"files\":{\n\
             \"%41%50%49.json\":\"API\",\n\
             \"api.json\":\"api\",\n\
             \"q%22%0a.json\":\"q\\\"\\n\",\n\
             \"web.json\":\"web\"\n\
             }}\n",
        );
    }

    #[test]
    fn what_nobody_of_ours_has_written_is_damaged_and_what_is_newer_is_said_to_be() {
        let check = |text: &str| Manifest::parse(text.as_bytes()).expect_err(text).to_string();
        for (text, why) in [
            ("", "line 1, column 0"),
            ("{\"version\":1,\"files\":{\n\"api.json\":\"api\"", "line 2, column 16"),
            ("{}", "column 2"),
            ("{\"version\":\"secret\"}", "line 1"),
            ("{\"version\":1}", "column 13"),
            ("{\"version\":1,\"files\":[]}", "column 21"),
            ("{\"version\":1,\"files\":{},\"secret\":1}", "line 1"),
            ("{\"version\":1,\"files\":{\"api.json\":\"web\"}}", "not the file of"),
            ("{\"version\":1,\"files\":{\"../api.json\":\"../api\"}}", "not the file of"),
            ("{\"version\":1,\"files\":{\"/etc/passwd\":\"passwd\"}}", "not the file of"),
            (
                &format!(
                    "{{\"version\":1,\"files\":{{{:?}:\"\"}}}}",
                    FileName::encode("").as_str()
                ),
                "\"\"",
            ),
        ] {
            let error = check(text);
            assert!(error.contains("damaged") && error.contains(why), "{text}: {error}");
            assert!(error.contains("--force") && !error.contains("secret"), "{error}");
        }
        for text in ["{\"version\":2}", "{\"version\":2,\"files\":[1],\"more\":1}"] {
            let error = check(text);
            assert!(error.contains("version 2") && error.contains("--target-dir"), "{error}");
        }
    }

    #[test]
    fn it_is_read_as_it_was_written_and_an_error_names_its_path() {
        let directory = tempfile::tempdir().expect("a directory");
        let read = || Manifest::read(directory.path()).map_err(|error| Chain(&error).to_string());
        assert_eq!(read(), Ok(None));
        let (first, second) = (manifest(&["api"]), manifest(&["web", "api"]));
        first.write(directory.path()).expect("written");
        let looks = second.write(directory.path()).expect("written");
        assert_eq!(read(), Ok(Some(second)));
        assert_eq!(Manifest::identity(directory.path()).expect("looked at"), Some(looks));
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1, "no leftover");
        let path = directory.path().join(NAME);
        for damage in ["{\"version\":1", "{\"version\":9}"] {
            fs::write(&path, damage).expect("damaged");
            let error = read().expect_err(damage);
            assert!(error.contains(path.to_str().expect("UTF-8")), "{error}");
        }
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
        assert!(read().expect_err("a link").contains("not a regular file"));
        let gone = directory.path().join("gone");
        let error = first.write(&gone).expect_err("no directory").to_string();
        assert!(error.contains("gone/manifest.json"), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_services_are_called_they_are_read_back(
            services in prop::collection::btree_set(".+|[a-c\"%~.]{1,3}|[ab]{90,400}", 0..9),
        ) {
            let services: Vec<_> = services.iter().map(String::as_str).collect();
            let manifest = manifest(&services);
            prop_assert_eq!(manifest.files().count(), services.len());
            prop_assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
        }
    }
}
