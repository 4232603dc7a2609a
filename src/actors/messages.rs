//! All messages that the actors exchange.

use std::sync::Arc;

use actix::{Message, Recipient};
use thiserror::Error;

use crate::core::event::{Event, Lookup};
use crate::core::guard::Hold;
use crate::core::render::Document;
use crate::file;

/// Data, `EtcdWatcher` to `Registry`: what etcd said. Awaited, so that a slow registry slows
/// the stream. Answered with the older values that the registry would like to know.
#[derive(Message)]
#[rtype(result = "Vec<Lookup>")]
pub struct Observed(pub Event);

/// Hint, `Registry` to `Persister`: the document may have changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Dirty;

/// Hint, `DriftWatcher` to `Persister`: something may have happened to the target file.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Inspect;

/// Pull, `Persister` from `Registry`: the newest document. `None` before the first complete
/// list and in the middle of a revision.
#[derive(Message)]
#[rtype(result = "Option<Document>")]
pub struct Render;

/// `app` to `Registry`: whom to hint. Comes before any event.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Recipient<Dirty>);

/// `app` to `Persister`: publish what is pending now, and say whether that succeeded.
#[derive(Message)]
#[rtype(result = "PublishResult")]
pub struct Flush;

/// `app` to `Persister`: let the removals through that the guard holds.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Release;

/// `app` to `Persister`: say when the first document is in the file, or could not be written.
#[derive(Message)]
#[rtype(result = "PublishResult")]
pub struct FirstPublish;

/// `app` to `Persister`: write nothing from now on. Answered when no write is under way any
/// more, with whether the file holds a document, or why not.
#[derive(Message)]
#[rtype(result = "Result<bool, Unpublished>")]
pub struct Close;

/// Whether the file holds the document.
pub type PublishResult = Result<(), Unpublished>;

/// Why the file does not hold the document.
#[derive(Clone, Debug, Error)]
pub enum Unpublished {
    /// It could not be written.
    #[error(transparent)]
    Failed(Arc<file::Error>),
    /// The guard is told to refuse what it would else hold.
    #[error("it would remove {} targets", .0.removals)]
    Refused(Hold),
}

/// `app` to `EtcdWatcher`: list anew.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Relist;

/// `app` to `EtcdWatcher`: end, and answer once the registry has all that was received.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;

/// `app` to `EtcdWatcher`: why there is no connection, if there is none.
#[derive(Message)]
#[rtype(result = "Option<String>")]
pub struct LastFailure;
