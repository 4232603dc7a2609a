//! Where it is published, and how that stands there: on disk, that is what Prometheus sees.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::spawn_blocking;

use crate::board::Published;
use crate::core::loaded::{Own, Version};
use crate::file::{TargetDir, TargetFile};

/// A place where Prometheus may read what is published.
#[derive(Clone, Debug)]
pub enum Place {
    /// The target file.
    File(TargetFile),
    /// The files of the target directory.
    Directory(TargetDir),
    /// `/sd`.
    Http,
}

/// Of when each file is, in seconds since 1970.
type Looks = Vec<(String, u64)>;

impl Place {
    /// All of them, at least one: by HTTP nobody is expected to read it who has it on disk.
    #[must_use]
    pub fn all(file: Option<TargetFile>, directory: Option<TargetDir>) -> Arc<[Self]> {
        let file = file.map(Self::File);
        let mut places: Vec<_> = file.into_iter().chain(directory.map(Self::Directory)).collect();
        if places.is_empty() {
            places.push(Self::Http);
        }
        places.into()
    }

    /// The path of the file, of the directory, or below the address.
    pub(super) fn path(&self) -> String {
        match self {
            Self::File(file) => file.path().display().to_string(),
            Self::Directory(directory) => directory.path().display().to_string(),
            Self::Http => "/sd".into(),
        }
    }

    /// What Prometheus is to have, if anything is published here; files as they look before and
    /// after `ask`, whose answer is returned too.
    pub(super) async fn own_during<A>(
        places: &Arc<[Self]>,
        published: Option<Arc<Published>>,
        ask: impl Future<Output = A>,
    ) -> (Vec<Option<Own>>, A) {
        let before = Self::look(places, published.clone()).await;
        let answer = ask.await;
        let after = Self::look(places, published.clone()).await;
        let http = published.map(|published| Own::Http {
            number: published.number,
            targets: published.document.targets(),
        });
        let own = |((place, before), after): ((&Self, Option<Looks>), Option<Looks>)| match place {
            Self::Http => http.clone(),
            _ => before.map(|before| Own::Files(versions(before, after.unwrap_or_default()))),
        };
        (places.iter().zip(before).zip(after).map(own).collect(), answer)
    }

    async fn look(places: &Arc<[Self]>, published: Option<Arc<Published>>) -> Vec<Option<Looks>> {
        let looked = Arc::clone(places);
        let look = move || {
            let published = published.as_deref();
            looked.iter().map(|place| place.files(published)).collect()
        };
        // It ends in a panic, or with the program.
        spawn_blocking(look).await.unwrap_or_else(|_| vec![None; places.len()])
    }

    /// How the files look; `None` if there are none yet. Blocks.
    fn files(&self, published: Option<&Published>) -> Option<Looks> {
        match self {
            Self::File(file) => {
                let modified = file.locate().and_then(|place| place.modified()).ok()??;
                Some(vec![(file.path().to_string_lossy().into_owned(), seconds(modified)?)])
            }
            Self::Directory(directory) => {
                // That one is missing or can't be looked at is for the persister to say.
                let look = |path: PathBuf| {
                    let modified = path.metadata().and_then(|metadata| metadata.modified()).ok()?;
                    Some((path.to_string_lossy().into_owned(), seconds(modified)?))
                };
                let pieces = published?.document.pieces();
                Some(pieces.filter_map(|piece| look(directory.file(piece.job()))).collect())
            }
            Self::Http => None,
        }
    }
}

fn seconds(time: SystemTime) -> Option<u64> {
    Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

/// A file that is gone afterwards is as it was.
fn versions(before: Looks, after: Looks) -> Vec<Version> {
    let after: HashMap<_, _> = after.into_iter().collect();
    let version = |(path, since)| {
        let until = after.get(&path).copied().unwrap_or(since);
        Version { path, since, until }
    };
    before.into_iter().map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_it_looks_before_and_after_and_as_before_if_it_is_gone() {
        let looks = |looks: &[(&str, u64)]| {
            looks.iter().map(|&(path, of)| (path.to_owned(), of)).collect::<Looks>()
        };
        let version = |path: &str, since, until| Version { path: path.to_owned(), since, until };
        assert_eq!(
            versions(looks(&[("a", 1), ("b", 2)]), looks(&[("a", 3), ("c", 4)])),
            [version("a", 1, 3), version("b", 2, 2)],
        );
    }
}
