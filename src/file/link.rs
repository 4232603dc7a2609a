//! Symbolic links: where a path leads, and by which links.
//!
//! A target file may be behind links, and they stay: what they lead to is replaced. Any of them
//! may be given another text at any time, so ask again before each use. Prometheus watches the
//! directory of the link that it knows, and sees nothing of a file in another one: then the link
//! itself is made anew, the same as before, which is one event in its directory.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use super::directory_of;
use super::error::Error;
use super::stage::staging;

/// The kernel follows no more than this.
const MOST: usize = 40;

/// How a path leads to its end, link by link.
#[derive(Debug)]
pub struct Route {
    path: PathBuf,
    links: Vec<Link>,
    /// The first name on the way that is not there.
    missing: Option<PathBuf>,
    end: PathBuf,
    fault: Option<io::Error>,
}

#[derive(Debug)]
struct Link {
    path: PathBuf,
    /// Whether it stands for the end itself, not for a directory on the way there.
    is_last: bool,
}

impl Route {
    /// Follows `path` as far as it leads. Relative paths stay relative. Blocks.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let mut route = Self {
            path: path.to_owned(),
            links: Vec::new(),
            missing: None,
            end: PathBuf::new(),
            fault: None,
        };
        let mut ahead: VecDeque<OsString> = steps(path).collect();
        while let Some(step) = ahead.pop_front() {
            if let Some(text) = route.take(&step, ahead.is_empty()) {
                for step in steps(&text).collect::<Vec<_>>().into_iter().rev() {
                    ahead.push_front(step);
                }
            }
        }
        route
    }

    /// Goes a step on. Returns where a link leads, instead of which it does not count.
    fn take(&mut self, step: &OsString, is_last: bool) -> Option<PathBuf> {
        // There are no links in `end`: what is above it is its parent.
        if step == ".." && self.end.file_name().is_some() {
            self.end.pop();
            return None;
        }
        self.end.push(step);
        if self.end.file_name().is_none() || self.missing.is_some() || self.fault.is_some() {
            return None;
        }
        match fs::read_link(&self.end) {
            Ok(_) if self.links.len() == MOST => {
                let what = format!("more than {MOST} follow each other, they lead in a circle");
                self.fault = Some(io::Error::other(what));
            }
            Ok(text) => {
                self.links.push(Link { path: self.end.clone(), is_last });
                self.end.pop();
                return Some(text);
            }
            Err(error) => match error.kind() {
                // It is no link.
                ErrorKind::InvalidInput => {}
                ErrorKind::NotFound => self.missing = Some(self.end.clone()),
                // What should be a directory is none.
                ErrorKind::NotADirectory => self.missing = self.end.parent().map(Path::to_owned),
                _ => self.fault = Some(error),
            },
        }
        None
    }

    /// The paths at which it may come to lead elsewhere: each link, and what is not there yet.
    pub fn turns(&self) -> impl Iterator<Item = &Path> {
        self.links.iter().map(|link| &link.path).chain(&self.missing).map(PathBuf::as_path)
    }

    /// Where it leads, if that is there; without links.
    #[must_use]
    pub fn end(&self) -> Option<&Path> {
        (self.missing.is_none() && self.fault.is_none()).then_some(&self.end)
    }

    /// The links that stand for the path, and, last, where they lead, whether there is anything or
    /// not. Links that lead in a circle are an error.
    pub fn places(self) -> Result<Vec<PathBuf>, Error> {
        if let Some(source) = self.fault {
            return Err(Error::new("follow the symbolic links of", &self.path, source, 0));
        }
        let links = self.links.into_iter().filter(|link| link.is_last).map(|link| link.path);
        Ok(links.chain([self.end]).collect())
    }
}

/// Of a path, one after the other.
fn steps(path: &Path) -> impl Iterator<Item = OsString> {
    let steps = path.components().filter(|&step| step != Component::CurDir);
    steps.map(|step| step.as_os_str().to_owned())
}

/// Causes one event in the directory of `link`.
pub(super) fn touch(link: &Path) -> Result<(), Error> {
    let fail = |error| Error::new("make anew the link", link, error, 0);
    let to = fs::read_link(link).map_err(fail)?;
    let staging = staging(directory_of(link))?;
    let fail_staged = |error| Error::new("write to", &staging, error, 0);
    let made = tempfile::Builder::new()
        .prefix("link.")
        .suffix(".tmp")
        .make_in(&staging, |path| symlink(&to, path))
        .map_err(fail_staged)?;
    // Whoever has changed it in the meantime has caused the event, and shall have his way.
    if fs::read_link(link).ok() != Some(to) {
        return Ok(());
    }
    // An exchange of both names, which would lose no change between these two lines, would be two
    // events, and have Prometheus read all files twice.
    made.persist(link).map(drop).map_err(|error| fail(error.error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Chain;

    fn resolve(path: &Path) -> Result<PathBuf, Error> {
        Ok(Route::of(path).places()?.pop().unwrap_or_default())
    }

    /// Makes what is listed, in a directory of its own: `name -> text` is a link, `name/` a
    /// directory, all else a file. Then looks where `start` leads.
    fn check(tree: &[&str], start: &str, places: &[&str], turns: &[&str], is_there: bool) {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for entry in tree {
            match entry.split_once(" -> ") {
                // Absolute ones are so below the root.
                Some((name, text)) => {
                    let text = text.strip_prefix('/').map_or(text.into(), |text| root.join(text));
                    symlink(text, root.join(name)).unwrap();
                }
                None if entry.ends_with('/') => fs::create_dir(root.join(entry)).unwrap(),
                None => fs::write(root.join(entry), "").unwrap(),
            }
        }
        let below = |names: &[&str]| names.iter().map(|name| root.join(name)).collect::<Vec<_>>();
        let path = root.join(start);
        assert_eq!(
            Route::of(&path).places().unwrap(),
            below(places),
            "places of {start} in {tree:?}"
        );
        assert_eq!(resolve(&path).unwrap(), root.join(places.last().unwrap()));
        let route = Route::of(&path);
        let found: Vec<_> = route.turns().map(Path::to_owned).collect();
        assert_eq!(found, below(turns), "turns of {start} in {tree:?}");
        assert_eq!(route.end().is_some(), is_there);
    }

    #[test]
    fn a_path_without_links_leads_to_itself() {
        check(&["t.json"], "t.json", &["t.json"], &[], true);
        check(&["a/", "a/t.json"], "./a/.././a//t.json", &["a/t.json"], &[], true);
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is_missing_first() {
        check(&[], "t.json", &["t.json"], &["t.json"], false);
        check(&[], "a/b/t.json", &["a/b/t.json"], &["a"], false);
        check(&["a/"], "a/b/t.json", &["a/b/t.json"], &["a/b"], false);
        check(&["a"], "a/b/t.json", &["a/b/t.json"], &["a"], false);
    }

    #[test]
    fn each_link_of_a_chain_is_a_place() {
        let tree = ["a/", "b/", "b/t.json", "t.json -> a/one", "a/one -> ../b/t.json"];
        check(&tree, "t.json", &["t.json", "a/one", "b/t.json"], &["t.json", "a/one"], true);
        let tree = ["b/", "b/t.json", "t.json -> /b/t.json"];
        check(&tree, "t.json", &["t.json", "b/t.json"], &["t.json"], true);
    }

    #[test]
    fn a_link_that_leads_to_nothing_yet_names_where_the_file_would_be() {
        let tree = ["b/", "t.json -> b/t.json"];
        check(&tree, "t.json", &["t.json", "b/t.json"], &["t.json", "b/t.json"], false);
        let tree = ["t.json -> b/t.json"];
        check(&tree, "t.json", &["t.json", "b/t.json"], &["t.json", "b"], false);
    }

    #[test]
    fn a_link_to_a_directory_on_the_way_is_a_turn_and_no_place() {
        let tree = ["v1/", "v1/t.json", "now -> v1", "t.json -> now/t.json"];
        check(&tree, "now/t.json", &["v1/t.json"], &["now"], true);
        check(&tree, "t.json", &["t.json", "v1/t.json"], &["t.json", "now"], true);
        // The parent of a link's end is not that of the link.
        let tree = ["a/", "a/b/", "a/t.json", "l -> a/b"];
        check(&tree, "l/../t.json", &["a/t.json"], &["l"], true);
    }

    #[test]
    fn links_in_a_circle_are_an_error_that_says_so_and_all_of_them_are_turns() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        symlink("b.json", path("a.json")).unwrap();
        symlink("a.json", path("b.json")).unwrap();
        let error = resolve(&path("a.json")).unwrap_err();
        let error = Chain(&error).to_string();
        assert!(error.contains("symbolic links of") && error.contains("circle"), "{error}");
        let route = Route::of(&path("a.json"));
        for name in ["a.json", "b.json"] {
            assert!(route.turns().any(|turn| turn.ends_with(name)));
        }
        assert_eq!(route.end(), None);
    }

    #[test]
    fn as_many_links_are_followed_as_the_kernel_follows() {
        let root = tempfile::tempdir().unwrap();
        let path = |number: usize| root.path().join(format!("{number}.json"));
        fs::write(path(0), "").unwrap();
        for number in 1..=41 {
            symlink(path(number - 1), path(number)).unwrap();
        }
        for number in 0..=41 {
            // The links of the temporary directory itself, if there are any, count as well.
            let kernel = fs::metadata(path(number)).is_ok();
            let resolved = resolve(&path(number));
            assert_eq!(resolved.is_ok(), kernel, "{number} links: {resolved:?}");
        }
    }

    #[test]
    fn a_relative_path_stays_relative() {
        assert_eq!(resolve(Path::new("no-such.json")).unwrap(), Path::new("no-such.json"));
        assert_eq!(
            resolve(Path::new("../../no-such.json")).unwrap(),
            Path::new("../../no-such.json")
        );
    }
}
