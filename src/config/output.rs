//! Where to write: the target file, the target directory, or both.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::args::TargetArgs;
use crate::file::{Options, TargetDir, TargetFile, directory_of};

/// The endings that `file_sd_configs` accepts.
const ENDINGS: [&str; 6] = ["json", "yml", "yaml", "JSON", "YML", "YAML"];

/// What is wrong with the paths to write to.
#[derive(Debug, Error)]
pub enum OutputError {
    /// It names no file.
    #[error("--target-file {}: not a file name; give a path such as /etc/prometheus/tgroups.json", .0.display())]
    NoFileName(PathBuf),
    /// Prometheus would refuse its configuration.
    #[error(
        "--target-file {}: Prometheus reads only names that end in .json, .yml or .yaml; \
         the content is JSON, so .json is best", .0.display()
    )]
    Ending(PathBuf),
    /// A directory made here could not be the one that Prometheus watches.
    #[error("--{flag} {}: {} is no directory; create it first", path.display(), directory.display())]
    NoDirectory {
        /// Which path.
        flag: &'static str,
        /// What was given.
        path: PathBuf,
        /// The directory itself, or that of the file.
        directory: PathBuf,
    },
    /// It may be there, but can't be looked at.
    #[error("--{flag} {}: cannot look at the directory {}: {source}", path.display(), directory.display())]
    Directory {
        /// Which path.
        flag: &'static str,
        /// What was given.
        path: PathBuf,
        /// The directory itself, or that of the file.
        directory: PathBuf,
        /// Why it can't.
        source: io::Error,
    },
    /// A directory can't be replaced by a file.
    #[error("--target-file {}: that is a directory; give the path of a file in it", .0.display())]
    IsDirectory(PathBuf),
    /// The daemon would do nothing.
    #[error(
        "nothing is left to write: give --target-file PATH, or --target-dir DIR, or both, or \
         --listen ADDR (but for --once)"
    )]
    Nothing,
    /// There is no path.
    #[error("nothing is left to compare: give --target-file PATH, or --target-dir DIR, or both")]
    NothingToCompare,
    /// Each would destroy the other.
    #[error(
        "--journal {}: that is the target file, which Prometheus reads; give the journal a path of \
         its own, in another directory", .0.display()
    )]
    Journal(PathBuf),
    /// They contradict each other.
    #[error("--in-place is about the target file, and there is none; leave one of the two away")]
    NothingInPlace,
    /// Prometheus would read every target twice.
    #[error(
        "--target-file {}: it is inside --target-dir {}, where a pattern for the files of the \
         services finds it too, and Prometheus would read every target twice; put it elsewhere, \
         or give --no-target-file", file.display(), directory.display()
    )]
    Inside {
        /// The target file.
        file: PathBuf,
        /// The target directory.
        directory: PathBuf,
    },
}

/// The target file and the target directory, at least one of them unless the document is served.
pub(super) fn check(
    args: &TargetArgs,
    is_served: bool,
) -> Result<(Option<TargetFile>, Option<TargetDir>), OutputError> {
    let path = &args.target_file;
    let is_off = args.no_target_file || path.as_os_str().is_empty();
    let file = if is_off { None } else { Some(check_file(path, args)?) };
    let directory = args.target_dir.clone();
    if let Some(path) = &directory {
        check_directory("target-dir", path, path)?;
    }
    let directory = directory.map(|path| TargetDir::new(path, args.file_mode, args.force));
    match (&file, &directory) {
        (None, None) if !is_served => return Err(OutputError::Nothing),
        (None, _) if args.in_place => return Err(OutputError::NothingInPlace),
        (Some(file), Some(directory)) if is_inside(file, directory.path()) => {
            let (file, directory) = (file.path().to_owned(), directory.path().to_owned());
            return Err(OutputError::Inside { file, directory });
        }
        _ => {}
    }
    Ok((file, directory))
}

/// The file of that path, whether it can be written or not.
pub(super) fn named(path: &Path) -> Result<TargetFile, OutputError> {
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(OutputError::NoFileName(path.to_owned()));
    }
    if path.is_dir() {
        return Err(OutputError::IsDirectory(path.to_owned()));
    }
    Ok(TargetFile::new(path.to_owned()))
}

fn check_file(path: &Path, args: &TargetArgs) -> Result<TargetFile, OutputError> {
    let file = named(path)?;
    if !ENDINGS.iter().any(|&ending| path.extension().is_some_and(|found| found == ending)) {
        return Err(OutputError::Ending(path.to_owned()));
    }
    check_directory("target-file", path, directory_of(path))?;
    let options = Options { mode: args.file_mode, in_place: args.in_place, force: args.force };
    Ok(file.written(options))
}

fn check_directory(flag: &'static str, path: &Path, directory: &Path) -> Result<(), OutputError> {
    let (path, directory) = (path.to_owned(), directory.to_owned());
    match directory.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(OutputError::Directory { flag, path, directory, source })
        }
        _ => Err(OutputError::NoDirectory { flag, path, directory }),
    }
}

/// Whether the file, or a link on the way to it, is right in the directory.
fn is_inside(file: &TargetFile, directory: &Path) -> bool {
    let Ok(directory) = directory.canonicalize() else { return false };
    let place = file.locate();
    let hops = place.as_ref().map_or_else(|_| &[][..], |place| place.places());
    let given = file.path().to_owned();
    let mut directories = hops.iter().chain([&given]).map(|hop| directory_of(hop).canonicalize());
    directories.any(|found| found.is_ok_and(|found| found == directory))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use clap::Parser;

    use super::*;
    use crate::config::Arguments;

    fn check_args(arguments: &[&str]) -> Result<(Option<TargetFile>, Option<TargetDir>), String> {
        let arguments = std::iter::once("etcd-sd").chain(arguments.iter().copied());
        let args = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
        check(&args.target, args.listen.listen.is_some()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_the_directory_or_both_may_be_written_and_one_must_be() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_str().expect("UTF-8");
        for (arguments, outputs) in [
            (&[][..], (true, false)),
            (&["--target-dir", path][..], (true, true)),
            (&["--target-dir", path, "--no-target-file"][..], (false, true)),
            (&["--target-dir", path, "--target-file", ""][..], (false, true)),
            (&["--no-target-file", "--listen", "[::1]:0"][..], (false, false)),
        ] {
            let (file, directory) = check_args(arguments).expect("valid");
            assert_eq!((file.is_some(), directory.is_some()), outputs, "{arguments:?}");
        }
        for nothing in [&["--no-target-file"][..], &["--target-file", ""]] {
            assert!(check_args(nothing).expect_err("nothing to do").contains("--target-dir"));
        }
        let nowhere = check_args(&["--target-dir", "/nowhere/x"]).expect_err("not there");
        assert!(nowhere.contains("--target-dir /nowhere/x"), "{nowhere}");
        let args = ["--no-target-file", "--target-dir", path, "--in-place"];
        assert!(check_args(&args).expect_err("no file").contains("--in-place"));
    }

    #[test]
    fn a_target_file_in_the_target_directory_is_refused_by_whatever_way_it_gets_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let services = directory.path().join("services");
        fs::create_dir_all(services.join("deeper")).expect("directories");
        symlink(services.join("all.json"), directory.path().join("link.json")).expect("a link");
        symlink(&services, directory.path().join("also")).expect("a link");
        symlink("../elsewhere.json", services.join("out.json")).expect("a link");
        let path = |name: &str| format!("{}/{name}", directory.path().display());
        let check = |file: &str| {
            check_args(&["--target-dir", &path("services"), "--target-file", &path(file)])
        };
        for inside in [
            "services/all.json",
            "services/../also/x.json",
            "link.json",
            "also/y.json",
            "services/out.json",
        ] {
            let error = check(inside).expect_err(inside);
            assert!(error.contains("twice") && error.contains(&path("services")), "{error}");
        }
        for outside in ["all.json", "services/deeper/all.json"] {
            check(outside).expect(outside);
        }
    }

    #[test]
    fn permissions_are_octal_and_for_reading_and_writing() {
        for fine in ["0644", "640", "0400"] {
            check_args(&["--file-mode", fine]).expect(fine);
        }
        for bad in ["0755", "rw-r--r--", "9", "0044", "01644", ""] {
            let error = check_args(&["--file-mode", bad]).expect_err(bad);
            assert!(error.contains("--file-mode") && error.contains("0644"), "{error}");
        }
    }
}
