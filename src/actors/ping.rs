//! Pings: does an actor still take messages?
//!
//! Whoever answers has its thread to itself and its mailbox open. That is all that is asked: an
//! actor that waits for etcd or for a disk answers.

use actix::{Handler, Message};

use super::auditor::Auditor;
use super::drift::DriftWatcher;
use super::merger::Merger;
use super::persister::Persister;
use super::registry::Registry;
use super::watcher::EtcdWatcher;

/// `app` to each actor: answer.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ping;

/// An actor, by the name that operators know it by.
pub trait Named {
    /// That name.
    const NAME: &'static str;
}

macro_rules! answers {
    ($($actor:ty: $name:literal),*) => {$(
        impl Named for $actor {
            const NAME: &'static str = $name;
        }

        impl Handler<Ping> for $actor {
            type Result = ();

            fn handle(&mut self, _: Ping, _: &mut Self::Context) {
                #[cfg(debug_assertions)]
                hang::if_told(Self::NAME);
            }
        }
    )*};
}

answers! {
    EtcdWatcher: "watcher",
    Registry: "registry",
    Merger: "merger",
    Persister: "persister",
    DriftWatcher: "drift watcher",
    Auditor: "auditor"
}

/// In debug builds an actor can be told to hang, so that tests see what is made of that.
#[cfg(debug_assertions)]
pub mod hang {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    static TOLD: AtomicBool = AtomicBool::new(false);

    /// The actor that the variable `ETCD_SD_TEST_HANG` names hangs from its next ping on.
    pub fn tell() {
        TOLD.store(true, Ordering::Relaxed);
    }

    pub(super) fn if_told(name: &str) {
        let is_meant = || std::env::var("ETCD_SD_TEST_HANG").is_ok_and(|named| named == name);
        while TOLD.load(Ordering::Relaxed) && is_meant() {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}
