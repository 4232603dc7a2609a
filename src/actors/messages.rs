//! All messages that the actors exchange.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use actix::{Message, MessageResponse, Recipient};
use thiserror::Error;

use crate::core::event::{Event, Lookup};
use crate::core::guard::Hold;
use crate::core::query::{InstancesPage, InstancesQuery, QuarantinePage, QuarantineQuery};
use crate::core::registry::{Audited, Check};
use crate::core::render::Document;
use crate::core::session::{Position, RelistReason};
use crate::file;

/// Data, `EtcdWatcher` to `Registry`: what etcd said. Awaited, so that a slow registry slows
/// the stream.
#[derive(Message)]
#[rtype(result = "Taken")]
pub struct Observed {
    /// What it said.
    pub event: Event,
    /// When.
    pub arrived: Instant,
}

/// The registry has taken what was observed.
#[derive(Debug, MessageResponse)]
pub struct Taken {
    /// The older values that it would like to know.
    pub lookups: Vec<Lookup>,
    /// How many keys it holds now.
    pub entries: usize,
}

/// Data, `Auditor` to `Registry`: a step of an audit. Awaited.
#[derive(Message)]
#[rtype(result = "Audited")]
pub struct Audit(pub Check);

/// Pull, `Auditor` from `EtcdWatcher`: how far it is, once there was a complete list.
#[derive(Message)]
#[rtype(result = "Option<Position>")]
pub struct GetPosition;

/// Pull, `Persister` from `EtcdWatcher`, by way of the `Merger` if there is one: say when the
/// registry is known to be as new as etcd was when this was asked. There is no answer for as long as etcd can't be asked.
#[derive(Message)]
#[rtype(result = "Result<(), Unconfirmed>")]
pub struct Confirm;

/// The watcher has ended, and the registry is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the watcher of etcd has ended")]
pub struct Unconfirmed;

/// Hint, `EtcdWatcher` to `Auditor`: an outage is over, and the watch was resumed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Resumed;

/// Hint, `Registry` to `Persister`: the document may have changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Dirty;

/// Hint, `DriftWatcher` to `Persister`: something may have happened to the target file.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Inspect;

/// Pull, `Persister` from `Registry` or `Merger`: the newest document. `None` before the first
/// complete list and in the middle of a revision.
#[derive(Message)]
#[rtype(result = "Option<Document>")]
pub struct Render;

/// Pull, HTTP from `Registry`: some instances of a service. `None` before the first complete
/// list.
#[derive(Message)]
#[rtype(result = "Option<InstancesPage>")]
pub struct Instances(pub InstancesQuery);

/// Pull, HTTP from `Registry`: some of the entries in quarantine. `None` before the first
/// complete list.
#[derive(Message)]
#[rtype(result = "Option<QuarantinePage>")]
pub struct Quarantined(pub QuarantineQuery);

/// `app` to `Registry` and `EtcdWatcher`: whom to hint.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe<M: Message<Result = ()> + Send>(pub Recipient<M>);

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
    /// Another process writes it, and it is not as this one would have it.
    #[error("another etcd-sd writes {}, and it does not hold what etcd does", .path.display())]
    Elsewhere {
        /// The file.
        path: PathBuf,
    },
    /// The guard is told to refuse what it would else hold.
    #[error("it would remove {} targets", .0.removals)]
    Refused(Hold),
}

/// `app` and `Auditor` to `EtcdWatcher`: list anew.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Relist(pub RelistReason);

/// `app` to `EtcdWatcher`: end, and answer once the registry has all that was received.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;

/// `app` to `EtcdWatcher`: why there is no connection, if there is none.
#[derive(Message)]
#[rtype(result = "Option<String>")]
pub struct LastFailure;
