//! The target file as an output.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::{info, warn};

use super::known_file::KnownFile;
use super::{Claim, Drifted, Look, Output, Publication, Written};
use crate::core::persist::{Plan, plan};
use crate::core::render::Document;
use crate::core::status::OutputKind;
use crate::file::{Asked, Drift, Error, Identity, Lock, Place, Replaced, TargetFile};
use crate::telemetry::Chain;

/// The target file, and what is known of it.
pub(in crate::actors) struct FileOutput {
    file: TargetFile,
    place: Option<Place>,
    /// The path that was made sure to be one that may be overwritten.
    vouched: Option<PathBuf>,
    lock: Option<Lock>,
    /// The document that the file was last known to hold.
    published: Option<Document>,
    known: KnownFile,
}

impl FileOutput {
    pub(in crate::actors) fn new(file: TargetFile) -> Self {
        Self {
            file,
            place: None,
            vouched: None,
            lock: None,
            published: None,
            known: KnownFile::default(),
        }
    }

    fn place(&self) -> Result<Place, Error> {
        self.place.clone().map_or_else(|| self.file.locate(), Ok)
    }

    fn forget(&mut self) {
        (self.published, self.lock) = (None, None);
        self.known.forget();
    }

    fn try_publish(&mut self, document: &Document, now: Instant) -> Result<Publication, Error> {
        let place = self.place()?;
        let has_drifted = self.known.drift.is_some();
        let planned = plan(self.published.as_ref(), document, has_drifted);
        let mut done = Publication::new(Written::Before);
        if planned != Plan::Keep {
            let seen = place.identity()?;
            // What a foreign file has is not the operator's wish.
            if !has_drifted || planned == Plan::Compare {
                self.known.permitted(seen);
            }
            let mut access = self.known.access;
            access.mode = self.file.mode().unwrap_or(access.mode);
            let is_right = planned == Plan::Compare
                && seen.and_then(Identity::access).is_none_or(|found| found.mode == access.mode)
                && place.compare(document)?.is_none();
            if is_right {
                self.known.confirm(seen, now);
                done.written = Written::Elsewhere;
            } else {
                let begun = Instant::now();
                let Replaced { identity, unsynced, unseen } = place.replace(document, access)?;
                self.known.written(identity);
                (done.unsynced, done.unseen) = (unsynced, unseen);
                done.written = Written::Now { files: 1, took: begun.elapsed() };
            }
        }
        if let Some(found) = self.known.healed(now) {
            done.healed.push(Drifted { path: place.path().to_owned(), found });
        }
        self.published = Some(document.clone());
        if self.lock.is_none() {
            // A file that is written in place can be locked from now on.
            self.claim()?;
        }
        Ok(done)
    }
}

impl Output for FileOutput {
    fn kind(&self) -> OutputKind {
        OutputKind::File
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    fn claim(&mut self) -> Result<Claim, Error> {
        let place = self.file.locate()?;
        let place = self.place.insert(place);
        if self.lock.as_ref().is_some_and(|lock| place.is_locked_by(lock)) {
            return Ok(Claim::Ours);
        }
        if self.vouched.as_deref() != Some(place.path()) {
            place.vouch()?;
            self.vouched = Some(place.path().to_owned());
        }
        match place.lock() {
            Ok(Some(Asked::Theirs { pid })) => {
                self.forget();
                return Ok(Claim::Theirs { pid });
            }
            Ok(Some(Asked::Ours(lock))) => self.lock = Some(lock),
            Ok(None) => self.lock = None,
            // Nobody can write there: if the file is right, all is well.
            Err(error) if error.is_read_only() => {
                self.lock = None;
                return Ok(Claim::Ours);
            }
            Err(error) => return Err(error),
        }
        if let Err(error) = place.remove_leftovers() {
            warn!(error = %Chain(&error), "temporary files of an earlier run are left");
        }
        Ok(Claim::Ours)
    }

    fn baseline(&self) -> Option<Document> {
        let place = self.place().ok()?;
        parse(place.path(), place.read())
    }

    fn look(&mut self, thorough: bool, now: Instant) -> Result<Look, Error> {
        let place = self.place()?;
        let seen = place.identity()?;
        if self.known.looks_right(seen, thorough, now) {
            return Ok(Look::default());
        }
        let Some(published) = &self.published else {
            if self.known.is_known() && !self.known.was(seen) {
                let (path, found) = (place.path().display(), Drift::by_looks(seen));
                info!(%path, %found, "the target file changed; left alone until the first complete list");
            }
            self.known.looked(seen, now);
            return Ok(Look::default());
        };
        let due = self.known.not_before(now);
        if due > now {
            return Ok(Look { drift: Vec::new(), again: Some(due) });
        }
        let is_shut = self.known.is_shut(seen, self.file.mode());
        self.known.drift = place.compare(published)?.or(is_shut.then_some(Drift::Access));
        if self.known.drift.is_none() {
            self.known.confirm(seen, now);
        }
        let drift = self.known.drift.map(|found| Drifted { path: place.path().to_owned(), found });
        Ok(Look { drift: drift.into_iter().collect(), again: None })
    }

    fn holds(&self, document: &Document) -> Result<bool, Error> {
        Ok(self.place()?.compare(document)?.is_none())
    }

    fn publish(&mut self, document: &Document, now: Instant) -> Publication {
        self.try_publish(document, now).unwrap_or_else(Publication::failed)
    }

    fn has_published(&self) -> bool {
        self.published.is_some()
    }

    fn is_fight(&self, now: Instant) -> bool {
        self.known.is_fight(now)
    }
}

/// Reads what Prometheus would read at `path`, as a document to compare with.
fn parse(path: &Path, read: Result<Option<Vec<u8>>, Error>) -> Option<Document> {
    let bytes = match read {
        Ok(bytes) => bytes.filter(|bytes| !bytes.is_empty())?,
        Err(error) => {
            warn!(error = %Chain(&error), "what the target file holds is not guarded against removal");
            return None;
        }
    };
    match Document::parse(&bytes) {
        Ok(document) => Some(document),
        Err(error) => {
            let path = path.display();
            info!(%path, %error, "what the target file holds is not guarded against removal");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::actors::publish;
    use crate::core::event::Revision;
    use crate::core::render::Piece;
    use crate::core::value::Target;
    use crate::file::{Mode, Options};

    fn document(address: &str) -> Document {
        let mut document = Document::new(Revision(1));
        document.push(&Piece::render("web", [Target::Address(address.into())].iter()));
        document
    }

    #[tokio::test]
    async fn a_fight_is_damped_and_ends_with_the_document() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tgroups.json");
        let mut output = FileOutput::new(TargetFile::new(path.clone()));
        let (start, wanted) = (publish::now(), document("h:1"));
        assert_eq!(output.claim().expect("claimed"), Claim::Ours);
        output.look(true, start).expect("looked");
        assert!(output.publish(&wanted, start).failed.is_none());
        let (mut now, mut heals, mut waits) = (start, 0, 0);
        while now - start < Duration::from_secs(30) {
            // Of another length each time: looks alone tell.
            fs::write(&path, "x".repeat(1 + heals + waits)).expect("written");
            output.claim().expect("claimed");
            let look = output.look(false, now).expect("looked");
            match (look.drift.as_slice(), look.again) {
                ([_], None) => {
                    assert_eq!(output.publish(&wanted, now).healed.len(), 1);
                    heals += 1;
                }
                ([], Some(again)) => {
                    assert!(again > now);
                    waits += 1;
                }
                other => panic!("{other:?}"),
            }
            now += Duration::from_millis(100);
        }
        assert!((8..40).contains(&heals), "{heals} heals in 30 s");
        assert!(output.is_fight(now));
        now += Duration::from_secs(5);
        assert_eq!(output.look(false, now).expect("looked").drift.len(), 1);
        output.publish(&wanted, now);
        assert_eq!(fs::read(&path).expect("a file"), wanted.to_vec());
    }

    #[tokio::test]
    async fn permissions_that_were_asked_for_are_healed_and_others_are_the_operators() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tgroups.json");
        let change = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        };
        let mode = || fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        let wanted = document("h:1");
        let now = publish::now();
        for (asked, changed, found, then) in
            [(None, 0o600, 0, 0o600), (None, 0, 1, 0o600), (Some(0o640), 0o600, 1, 0o640)]
        {
            let options = Options { mode: asked.and_then(Mode::new), ..Options::default() };
            let mut output = FileOutput::new(TargetFile::new(path.clone()).written(options));
            output.claim().expect("claimed");
            output.publish(&wanted, now);
            change(changed);
            let look = output.look(false, now).expect("looked");
            assert_eq!(look.drift.len(), found, "{asked:?} {changed:o}");
            output.publish(&wanted, now);
            assert_eq!(mode(), then, "{asked:?} {changed:o}");
            assert!(output.look(false, now).expect("looked").drift.is_empty());
        }
    }

    #[tokio::test]
    async fn what_another_process_writes_is_forgotten_and_not_touched() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TargetFile::new(directory.path().join("tgroups.json"));
        let (mut first, mut second) = (FileOutput::new(file.clone()), FileOutput::new(file));
        assert_eq!(first.claim().expect("claimed"), Claim::Ours);
        assert!(matches!(second.claim().expect("asked"), Claim::Theirs { pid: Some(_) }));
        first.look(true, publish::now()).expect("looked");
        first.publish(&document("h:1"), publish::now());
        assert!(second.holds(&document("h:1")).expect("compared"));
        assert!(!second.holds(&document("h:2")).expect("compared"));
        drop(first);
        assert_eq!(second.claim().expect("claimed"), Claim::Ours);
        assert!(!second.has_published());
    }
}
