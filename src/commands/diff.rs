//! `etcd-sd diff`: the files beside what the registry says that they should hold.

use std::io::{self, Write};
use std::path::Path;

use super::read::read;
use super::{DIFFERENT, Error, count, print};
use crate::config::{ConfigError, DiffArgs};
use crate::core::event::Revision;
use crate::core::render::{Comparison, Difference, Document, GroupDifference, Joined, Piece};
use crate::file::{TargetDir, TargetFile};
use crate::telemetry::{Chain, Foreign};

pub(super) async fn run(args: DiffArgs) -> Result<i32, Error> {
    let (file, directory) = args.targets().map_err(ConfigError::from)?;
    let registries = args.reading.registries()?;
    let readings = read(&registries).await?;
    let quarantined: usize = readings.iter().map(|reading| reading.summary.quarantined).sum();
    let documents: Vec<_> = readings.into_iter().map(|reading| reading.document).collect();
    let wanted = Joined::default().merge(&documents);
    let mut outputs = Vec::new();
    outputs.extend(file.map(|file| Output::file(&file, &wanted)));
    if let Some(directory) = directory {
        outputs.push(Output::directory(&directory, &wanted)?);
    }
    print(|out| write(out, &outputs, &wanted, quarantined))?;
    let files = || outputs.iter().flat_map(|output| &output.files);
    Ok(if files().any(|file| file.compared.is_err()) {
        1
    } else if files().any(|file| !matches!(file.compared, Ok(Comparison::Equal))) {
        DIFFERENT
    } else {
        0
    })
}

/// What is compared: the target file, or the files of a directory.
struct Output {
    path: String,
    is_directory: bool,
    files: Vec<Compared>,
}

/// A file beside what it should hold.
struct Compared {
    path: String,
    /// Why it can't be read, otherwise.
    compared: Result<Comparison, String>,
}

impl Output {
    fn file(file: &TargetFile, wanted: &Document) -> Self {
        let path = shown(file.path());
        let read = file.locate().and_then(|place| place.read());
        let compared = match read {
            Ok(bytes) => Ok(Comparison::of(bytes.as_deref(), wanted)),
            Err(error) => Err(Chain(&error).to_string()),
        };
        Self { path: path.clone(), is_directory: false, files: vec![Compared { path, compared }] }
    }

    fn directory(directory: &TargetDir, wanted: &Document) -> Result<Self, Error> {
        let nothing = Document::new(Revision(0));
        let mut files = Vec::new();
        for service in directory.services(wanted)? {
            let piece = wanted.piece(&service);
            let compared = match directory.read(&service) {
                // Nor should there be one.
                Ok(None) if piece.is_none() => continue,
                Ok(bytes) => {
                    let wanted =
                        piece.map_or(nothing.clone(), |piece: &Piece| piece.alone(Revision(0)));
                    Ok(Comparison::of(bytes.as_deref(), &wanted))
                }
                Err(error) => Err(Chain(&error).to_string()),
            };
            files.push(Compared { path: shown(&directory.file(&service)), compared });
        }
        Ok(Self { path: shown(directory.path()), is_directory: true, files })
    }

    /// In one line.
    fn summary(&self, wanted: &Document) -> String {
        let targets = count(wanted.targets(), "target");
        let what = match &self.files[..] {
            [only] if !self.is_directory => match &only.compared {
                Err(why) => why.clone(),
                Ok(Comparison::Equal) => format!("equal, {targets}"),
                Ok(Comparison::OtherBytes) => {
                    format!("the same {targets}, in other bytes than etcd-sd writes")
                }
                Ok(Comparison::OtherTargets(difference)) => balance(difference, "the file"),
                Ok(Comparison::NoFile(_)) => format!("there is no file; {targets} missing"),
                Ok(Comparison::NoDocument(error)) => format!("{error}; etcd has {targets}"),
            },
            files => {
                let differs = |file: &&Compared| !matches!(file.compared, Ok(Comparison::Equal));
                let of_all = count(files.len(), "file");
                match files.iter().filter(differs).count() {
                    0 => format!("equal, {targets} in {of_all}"),
                    differ => {
                        format!(
                            "{}; {differ} of {of_all} differ",
                            balance(&sum(files.iter()), "the files")
                        )
                    }
                }
            }
        };
        format!("{}: {what}", self.path)
    }
}

fn shown(path: &Path) -> String {
    Foreign(path.as_os_str().as_encoded_bytes()).to_string()
}

/// But for the groups.
fn sum<'c>(files: impl Iterator<Item = &'c Compared>) -> Difference {
    let mut sum = Difference::default();
    let compared = files.filter_map(|file| file.compared.as_ref().ok());
    for difference in compared.filter_map(Comparison::difference) {
        sum.missing += difference.missing;
        sum.extra += difference.extra;
        sum.relabelled += difference.relabelled;
    }
    sum
}

/// How much is missing, and how much is too much.
fn balance(difference: &Difference, whence: &str) -> String {
    let Difference { missing, extra, relabelled, .. } = difference;
    let missing = count(*missing, "target");
    let labels = match relabelled {
        0 => String::new(),
        number => format!("; {number} of them with other labels only"),
    };
    format!("{missing} missing from {whence}, {extra} too many{labels}")
}

/// The summaries, and then all that differs.
fn write(
    out: &mut dyn Write,
    outputs: &[Output],
    wanted: &Document,
    quarantined: usize,
) -> io::Result<()> {
    for output in outputs {
        writeln!(out, "{}", output.summary(wanted))?;
    }
    let is_equal = |file: &Compared| matches!(file.compared, Ok(Comparison::Equal));
    let differing = sum(outputs.iter().flat_map(|output| &output.files));
    if differing.missing + differing.extra > 0 {
        let revision = wanted.revision();
        writeln!(
            out,
            "+ is in etcd (revision {revision}) and not in the file, - is in the file and not in etcd"
        )?;
    }
    if differing.extra > 0 && quarantined > 0 {
        let entries = match quarantined {
            1 => "1 entry is".to_owned(),
            more => format!("{more} entries are"),
        };
        writeln!(
            out,
            "{entries} quarantined, and a running daemon may keep older targets: see etcd-sd check"
        )?;
    }
    for output in outputs {
        for file in output.files.iter().filter(|file| !is_equal(file)) {
            if outputs.len() > 1 || output.is_directory {
                write_file(out, file)?;
            }
            let compared = file.compared.as_ref().ok();
            for group in
                compared.and_then(Comparison::difference).iter().flat_map(|all| &all.groups)
            {
                write_group(out, group)?;
            }
        }
    }
    Ok(())
}

/// What stands above the groups of a file.
fn write_file(out: &mut dyn Write, file: &Compared) -> io::Result<()> {
    let what = match &file.compared {
        Err(why) => why.clone(),
        Ok(Comparison::OtherBytes) => "the same targets, in other bytes".to_owned(),
        Ok(Comparison::NoFile(_)) => "there is no file".to_owned(),
        Ok(Comparison::NoDocument(error)) => error.to_string(),
        Ok(Comparison::Equal | Comparison::OtherTargets(_)) => String::new(),
    };
    let colon = if what.is_empty() { "" } else { ": " };
    writeln!(out, "\n{}{colon}{what}", file.path)
}

fn write_group(out: &mut dyn Write, group: &GroupDifference) -> io::Result<()> {
    let job = Some(("job", group.job.as_str())).filter(|(_, job)| !job.is_empty());
    let labels = group.labels.iter().map(|(name, text)| (&**name, &**text));
    let labels = job
        .into_iter()
        .chain(labels)
        .map(|(name, text)| format!("{}={text:?}", Foreign(name.as_bytes())));
    let labels = labels.collect::<Vec<_>>().join(",");
    let (missing, extra) = (&group.missing, &group.extra);
    writeln!(out, "\n{{{labels}}}: {} missing, {} too many", missing.len(), extra.len())?;
    let missing = missing.iter().map(|address| (address, '+'));
    let mut lines: Vec<_> = missing.chain(extra.iter().map(|address| (address, '-'))).collect();
    lines.sort_unstable();
    for (address, sign) in lines {
        writeln!(out, "{sign} {}", Foreign(address.as_bytes()))?;
    }
    Ok(())
}
