//! What was computed of a published document: its shares for shards, and bytes that are packed.
//!
//! Each is computed once, while all who ask for it wait, and kept for whoever asks next. One is
//! computed at a time: the processors are for the actors first. How much is kept has a bound, and
//! what nobody asks for any more goes.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::Write;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{Mutex as Turn, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, interval};

use super::query::Selection;
use crate::board::Published;
use crate::core::render::{Document, Shares};

/// How many numbers of shards: each takes as much memory as the document.
const MOST_SHARES: usize = 3;

/// How many choices are kept packed, and how many bytes of them.
const MOST_PACKED: usize = 64;
const MOST_BYTES: usize = 64 << 20;

/// What nobody has asked for in this long goes: Prometheus asks every minute, unless told
/// otherwise.
const IDLE: Duration = Duration::from_secs(300);

/// How often that is looked at.
const PACE: Duration = Duration::from_secs(30);

/// Most of what the best level saves, in a fourth of its time.
const LEVEL: u32 = 3;

/// What is kept.
pub(in crate::http) struct Kept {
    shares: Shelf<NonZeroU32, (u64, Arc<Shares>)>,
    packed: Shelf<Selection, Packed>,
    work: Arc<Semaphore>,
}

#[derive(Clone)]
struct Packed {
    number: u64,
    document: Document,
    bytes: Bytes,
}

/// Places for what is kept, by what it is kept for.
struct Shelf<K, T>(Mutex<HashMap<K, Place<T>>>);

struct Place<T> {
    asked: Instant,
    bytes: Arc<AtomicUsize>,
    /// Whoever has the turn computes it, and the others wait.
    kept: Arc<Turn<Option<T>>>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            shares: Shelf(Mutex::default()),
            packed: Shelf(Mutex::default()),
            work: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Kept {
    /// What is chosen of a published document, or of a newer one; `None` if the daemon stops.
    pub(super) async fn document(
        &self,
        published: &Arc<Published>,
        selection: &Selection,
    ) -> Option<Document> {
        let (Some(shard), Some(of)) = (selection.shard, selection.shards()) else {
            return Some(selection.of(published.document.clone()));
        };
        let (turn, _) = self.shares.place(of, MOST_SHARES);
        let mut kept = turn.lock_owned().await;
        let shares = match &*kept {
            Some((number, shares)) if *number >= published.number => Arc::clone(shares),
            _ => {
                let work = Arc::clone(&self.work).acquire_owned().await.ok()?;
                let published = Arc::clone(published);
                // It is carried through, and kept, even if nobody waits for it any more.
                let shares = spawn_blocking(move || {
                    let before = kept.as_ref().map(|(_, shares)| &**shares);
                    let shares = Arc::new(Shares::of(&published.document, of, before));
                    *kept = Some((published.number, Arc::clone(&shares)));
                    drop(work);
                    shares
                });
                shares.await.ok()?
            }
        };
        shares.of_shard(shard).cloned().map(|share| selection.of(share))
    }

    /// The bytes of the document that was chosen from that of this number, packed; `None` if the
    /// daemon stops.
    pub(super) async fn packed(
        &self,
        number: u64,
        document: Document,
        selection: Selection,
    ) -> Option<Bytes> {
        self.packed.bound(MOST_BYTES);
        let (turn, size) = self.packed.place(selection, MOST_PACKED);
        let mut kept = turn.lock_owned().await;
        if let Some(kept) = &*kept
            && kept.number >= number
        {
            return Some(kept.bytes.clone());
        }
        let work = Arc::clone(&self.work).acquire_owned().await.ok()?;
        let packing = spawn_blocking(move || {
            let before = kept.take().filter(|kept| kept.document.same_bytes(&document));
            let bytes = before.map_or_else(|| pack(&document), |kept| kept.bytes);
            size.store(bytes.len(), Ordering::Relaxed);
            *kept = Some(Packed { number, document, bytes: bytes.clone() });
            drop(work);
            bytes
        });
        packing.await.ok()
    }

    /// Lets go of what a newer document has made useless, and of what nobody asks for any more.
    pub(in crate::http) async fn tidy(
        self: Arc<Self>,
        mut published: watch::Receiver<Option<Arc<Published>>>,
    ) {
        let mut ticks: Interval = interval(PACE);
        loop {
            tokio::select! {
                changed = published.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let number = published.borrow_and_update().as_ref().map(|it| it.number);
                    self.packed.forget_whole(number.unwrap_or_default()).await;
                }
                _ = ticks.tick() => {
                    self.shares.forget_idle();
                    self.packed.forget_idle();
                }
            }
        }
    }
}

impl<K: Clone + Eq + Hash, T> Shelf<K, T> {
    /// The place for `key`, for which the one that was not asked for the longest makes room.
    fn place(&self, key: K, most: usize) -> (Arc<Turn<Option<T>>>, Arc<AtomicUsize>) {
        self.with(|places| {
            if !places.contains_key(&key) && places.len() >= most {
                forget_oldest(places);
            }
            let place = places.entry(key).or_insert_with(|| Place {
                asked: Instant::now(),
                bytes: Arc::default(),
                kept: Arc::default(),
            });
            place.asked = Instant::now();
            (Arc::clone(&place.kept), Arc::clone(&place.bytes))
        })
    }

    /// Keeps no more bytes than these, but for what is asked for last.
    fn bound(&self, most: usize) {
        self.with(|places| {
            let bytes = |place: &Place<T>| place.bytes.load(Ordering::Relaxed);
            while places.len() > 1 && places.values().map(bytes).sum::<usize>() > most {
                forget_oldest(places);
            }
        });
    }

    fn forget_idle(&self) {
        self.with(|places| places.retain(|_, place| place.asked.elapsed() < IDLE));
    }

    fn with<R>(&self, act: impl FnOnce(&mut HashMap<K, Place<T>>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shelf<Selection, Packed> {
    /// Lets go of the bytes of the whole document if it is older than that of this number. A part
    /// of it may not have changed.
    async fn forget_whole(&self, number: u64) {
        let whole = Selection::default();
        let turn = self.with(|places| places.get(&whole).map(|place| Arc::clone(&place.kept)));
        if let Some(turn) = turn {
            let mut kept = turn.lock().await;
            if kept.as_ref().is_some_and(|kept| kept.number < number) {
                *kept = None;
            }
        }
    }
}

fn forget_oldest<K: Clone + Eq + Hash, T>(places: &mut HashMap<K, Place<T>>) {
    let oldest = places.iter().min_by_key(|(_, place)| place.asked).map(|(key, _)| key.clone());
    if let Some(oldest) = oldest {
        places.remove(&oldest);
    }
}

fn pack(document: &Document) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    let packed = document.chunks().try_for_each(|chunk| encoder.write_all(chunk));
    let packed = packed.and_then(|()| encoder.finish());
    let mut packed =
        packed.unwrap_or_else(|error| unreachable!("memory takes what is written: {error}"));
    packed.shrink_to_fit();
    packed.into()
}
