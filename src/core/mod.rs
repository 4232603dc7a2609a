//! The functional core: data in, decisions out.
//!
//! Nothing here does I/O, keeps time or knows a runtime: whoever calls passes events and
//! instants in and carries the decisions out. So every rule that matters can be tested
//! without a network, a disk or a clock.
//!
//! | module | decides |
//! |---|---|
//! | [`event`] | what the watcher tells the registry, and etcd's [`Revision`](event::Revision) |
//! | [`key`] | which service and instance a key names |
//! | [`format`](mod@format) | how a value is written, and which addresses and labels it gives |
//! | [`value`], [`address`] | which target a value stands for, or why it is none |
//! | [`entries`] | what one put or delete does to the entries under the prefix |
//! | [`cost`] | how much of the budgets a target takes |
//! | `service` | which targets an entry stands for, and a service's piece of the document |
//! | [`quarantine`] | what is said of an entry that can't become a target |
//! | [`query`] | which of the entries a page shows to those who look |
//! | [`registry`] | when a list replaces the entries, and when they may be rendered |
//! | [`render`] | the bytes of the document, and how a file differs from it |
//! | [`summary`] | what one reading of the registry came to, in numbers |
//! | [`file_name`] | which file of a target directory is a service's |
//! | [`shard`] | which of several Prometheis a target is for |
//! | [`split`] | which files of a target directory to write, and in which order |
//! | [`paging`] | how many keys the next page of a list asks for |
//! | [`session`] | whether to list, resume or relist, and which changes are complete |
//! | [`witness`] | by which write a history of revisions is known again |
//! | [`census`] | which cluster is meant if the servers belong to several |
//! | [`arrivals`] | since when there is something that no document shows |
//! | [`audit`] | whether the registry is what etcd holds |
//! | [`liveness`] | whether a watch that says nothing is idle or dead |
//! | [`debounce`] | when a burst of changes is over |
//! | [`persist`] | whether to publish, to look at the file, or to leave it alone |
//! | [`guard`] | whether to believe that so many targets are gone |
//! | [`loaded`] | whether Prometheus has taken in what is published, and if not, why |
//! | [`history`] | what became of which target, why, and which publish carried it |
//! | [`damping`] | how fast to heal a file that somebody keeps changing |
//! | [`status`] | how each part of the daemon stands, and whether it is ready |
//! | [`time`] | how a time of day is told |
//! | [`throttle`] | how many warnings a second are still of use |

pub mod address;
pub mod arrivals;
pub mod audit;
pub mod census;
pub mod cost;
pub mod damping;
pub mod debounce;
pub mod entries;
pub mod event;
pub mod file_name;
pub mod format;
pub mod guard;
pub mod history;
pub mod key;
pub mod liveness;
pub mod loaded;
pub mod paging;
pub mod pattern;
pub mod persist;
pub mod policy;
pub mod quarantine;
pub mod query;
pub mod registry;
pub mod render;
pub mod schema;
mod service;
pub mod session;
pub mod shard;
pub mod split;
pub mod status;
pub mod summary;
pub mod throttle;
pub mod time;
pub mod value;
pub mod witness;
