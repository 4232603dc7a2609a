//! Lookouts: in which directories to watch for which names.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf, absolute};

use crate::file::{DirectoryId, Error, Route, TargetFile};

/// Of the files in a target directory.
const ENDING: &str = "json";

/// Something that the persister writes and others might change.
#[derive(Clone, Debug)]
pub enum Watched {
    /// A file, be it behind symbolic links: each of them is watched as well.
    File(TargetFile),
    /// A directory: all names in it that end in `.json`. Links on the way there are watched as
    /// well.
    Directory(PathBuf),
}

impl Watched {
    /// As the operator named it.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(file) => file.path(),
            Self::Directory(path) => path,
        }
    }
}

/// A directory, and what matters in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookout {
    /// Absolute, as events name it.
    pub(super) directory: PathBuf,
    pub(super) id: DirectoryId,
    names: BTreeSet<OsString>,
    any_json: bool,
}

impl Lookout {
    fn at(directory: &Path) -> Result<Self, Error> {
        let directory = if directory == Path::new("") { Path::new(".") } else { directory };
        let id = DirectoryId::of(directory)?;
        let directory = absolute(directory).unwrap_or_else(|_| directory.to_owned());
        Ok(Self { directory, id, names: BTreeSet::new(), any_json: false })
    }

    /// Whether something at `path` matters.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        let is_ours = |name: &OsStr| {
            self.names.contains(name)
                || self.any_json && Path::new(name).extension().is_some_and(|end| end == ENDING)
        };
        path.parent() == Some(&self.directory) && path.file_name().is_some_and(is_ours)
    }

    /// Whether the directory, or one that it is in, is at `path`.
    pub(super) fn is_below(&self, path: &Path) -> bool {
        self.directory.starts_with(path)
    }
}

/// What to watch for now, one lookout a directory: the places at which a path is what it is, or
/// leads elsewhere; where something is missing, the place at which it would come. Blocks.
pub(super) fn lookouts(watched: &[Watched]) -> Result<Vec<Lookout>, Error> {
    let mut lookouts: Vec<Lookout> = Vec::new();
    let mut look_into = |directory: &Path, name: Option<&OsStr>| {
        let lookout = Lookout::at(directory)?;
        // One directory may have two names, and is watched by one of them alone.
        let known = lookouts.iter().position(|known| known.id == lookout.id);
        let place = known.unwrap_or(lookouts.len());
        if known.is_none() {
            lookouts.push(lookout);
        }
        match name {
            Some(name) => drop(lookouts[place].names.insert(name.to_owned())),
            None => lookouts[place].any_json = true,
        }
        Ok::<_, Error>(())
    };
    for watched in watched {
        let route = Route::of(watched.path());
        let file = route.end().filter(|_| matches!(watched, Watched::File(_)));
        for place in route.turns().chain(file) {
            look_into(place.parent().unwrap_or(place), place.file_name())?;
        }
        if let (Watched::Directory(_), Some(directory)) = (watched, route.end()) {
            look_into(directory, None)?;
        }
    }
    Ok(lookouts)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The directories and names to watch for, below `root`; `*` are all that end in `.json`.
    fn found(root: &Path, watched: &[Watched]) -> Vec<(String, Vec<String>)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let lookouts = lookouts(watched).unwrap();
        let of = |lookout: Lookout| {
            let directory = lookout.directory.strip_prefix(root).map(text);
            let names = lookout.names.iter().map(|name| text(Path::new(name)));
            let all = lookout.any_json.then(|| "*".to_owned());
            (directory.unwrap_or_else(|_| "above".into()), names.chain(all).collect())
        };
        lookouts.into_iter().map(of).collect()
    }

    fn check(expected: &[(&str, &[&str])], found: &[(String, Vec<String>)]) {
        let found: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|(at, names)| (at.as_str(), names.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|&(at, names)| (at, names.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_place_on_the_way_is_watched_and_each_directory_once() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        let file = |name: &str| Watched::File(TargetFile::new(at(name)));
        let directory = |name: &str| Watched::Directory(at(name));

        check(&[("", &["t.json"])], &found(&root, &[file("t.json")]));
        check(&[("", &["gone"])], &found(&root, &[file("gone/t.json"), directory("gone")]));
        std::fs::create_dir(at("real")).unwrap();
        symlink("real", at("dir")).unwrap();
        symlink("dir/u.json", at("t.json")).unwrap();
        let expected: [(&str, &[&str]); 2] = [("", &["dir", "t.json"]), ("real", &["u.json", "*"])];
        check(&expected, &found(&root, &[file("t.json"), directory("dir")]));
        std::fs::write(at("real/u.json"), "").unwrap();
        check(&expected, &found(&root, &[file("t.json"), directory("real")]));
        symlink("circle", at("circle")).unwrap();
        check(&[("", &["circle"])], &found(&root, &[file("circle")]));
    }

    #[test]
    fn a_lookout_concerns_its_names_alone() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let lookouts = lookouts(&[Watched::Directory(root.clone())]).unwrap();
        let lookout = &lookouts[0];
        for (name, concerns) in
            [("a.json", true), (".json", false), ("a.tmp", false), (".etcd-sd", false)]
        {
            assert_eq!(lookout.concerns(&root.join(name)), concerns, "{name}");
        }
        assert!(!lookout.concerns(&root.join("inner/a.json")));
        assert!(lookout.is_below(&root) && lookout.is_below(root.parent().unwrap()));
        assert!(!lookout.is_below(&root.join("a.json")));
    }
}
