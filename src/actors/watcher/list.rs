//! One list: the pages of the prefix at one revision, from a connection to the registry.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::wire::{End, Lost, Wire};
use crate::actors::pages::Pages;
use crate::core::event::{Event, Lookup, Recovered};
use crate::core::session::{Header, Session};
use crate::core::witness::Witness;
use crate::etcd::{Connection, Error, Page};

/// Older values that are asked for: at the same time, in all, and for how long.
const AT_ONCE: usize = 32;
const MOST: usize = 1_000;
const BUDGET: Duration = Duration::from_secs(2);

/// A list that is complete, and the registry's.
pub(super) struct Complete {
    /// All pages are of its revision.
    pub(super) header: Header,
    /// How many keys the registry holds now.
    pub(super) keys: usize,
}

/// Lists the prefix; as a shortcut, if that is what it is for.
pub(super) async fn list(
    connection: &Connection,
    wire: &mut Wire,
    session: &Session,
    witness: &mut Witness,
    is_shortcut: bool,
) -> Result<Complete, End> {
    wire.send(Event::ListStarted).await?;
    let mut pages = Pages::of(wire.prefix.clone(), connection);
    let mut first: Option<Header> = None;
    let mut lookups = Vec::new();
    *witness = Witness::default();
    let mut page = wire.unless_told(pages.next(connection)).await??;
    while let Some(Page { header, entries, count, .. }) = page {
        if first.is_none() {
            wire.admit(count)?;
        }
        if first.get_or_insert(header).cluster_id != header.cluster_id {
            return Err(Lost::ForeignPage.into());
        }
        witness.saw_page(&entries);
        // The next one is on its way while the registry takes this one.
        let mut next = pin!(pages.next(connection));
        let (wishes, ahead) = beside(wire.page(entries), next.as_mut()).await;
        lookups.extend(wishes?);
        page = match ahead {
            Some(ahead) => ahead?,
            None => wire.unless_told(next).await??,
        };
    }
    let header = first.unwrap_or_default();
    recover(lookups, connection, wire).await?;
    let odd = session.new_epoch(header);
    if let Some(what) = &odd {
        warn!(%what, "the list begins a new epoch of revisions");
    }
    let revision = header.revision;
    let ended = match odd {
        None if is_shortcut => Event::CaughtUp(revision),
        odd => Event::ListEnded { revision, new_epoch: odd.is_some() },
    };
    let keys = wire.send(ended).await?.entries;
    Ok(Complete { header, keys })
}

/// Waits for `first`; what `second` came to, if it was done before. It can be waited for again
/// if it was not.
async fn beside<A, B>(
    first: impl Future<Output = A>,
    mut second: Pin<&mut impl Future<Output = B>>,
) -> (A, Option<B>) {
    let mut first = pin!(first);
    let mut done = None;
    loop {
        tokio::select! {
            biased;
            first = first.as_mut() => return (first, done),
            second = second.as_mut(), if done.is_none() => done = Some(second),
        }
    }
}

/// Reads the values before bad ones, as far as etcd's history has them: the newest first, so
/// that after the first one that is compacted there is nothing left to find. The good entries
/// wait for that, so it is bounded in number and time; what is left out, the next list asks
/// for.
async fn recover(
    mut lookups: Vec<Lookup>,
    connection: &Connection,
    wire: &mut Wire,
) -> Result<(), End> {
    if lookups.is_empty() {
        return Ok(());
    }
    lookups.sort_unstable_by_key(|lookup| std::cmp::Reverse(lookup.mod_revision));
    let wanted = lookups.len();
    let end = Instant::now() + BUDGET;
    let mut left = lookups.into_iter().take(MOST);
    let mut asking = JoinSet::new();
    let mut recovered = Vec::new();
    let (mut asked, mut found) = (0, 0);
    loop {
        while asking.len() < AT_ONCE
            && let Some(lookup) = left.next()
        {
            let value = connection.value_before(&lookup);
            asking.spawn(async move { (lookup, value.await) });
            asked += 1;
        }
        match wire.unless_told(timeout_at(end, asking.join_next())).await? {
            Ok(Some(Ok((lookup, Ok(Some(value)))))) => {
                recovered.push(Recovered { lookup, value });
                found += 1;
            }
            Ok(Some(Ok((_, Err(Error::Compacted))))) => left = Vec::new().into_iter().take(0),
            Ok(Some(Ok((_, Ok(None) | Err(Error::TooLarge))))) => {}
            // The connection is gone, and the list with it.
            Ok(Some(Ok((_, Err(error))))) => return Err(error.into()),
            Ok(Some(Err(_)) | None) | Err(_) => break,
        }
        if recovered.len() == AT_ONCE {
            wire.send(Event::Recovered(std::mem::take(&mut recovered))).await?;
        }
    }
    wire.send(Event::Recovered(recovered)).await?;
    info!(wanted, asked, found, "looked in etcd's history for the last good values of bad entries");
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_is_done_beside_is_kept_and_what_is_not_can_be_waited_for() {
        let (sender, receiver) = oneshot::channel();
        let mut second = pin!(receiver);
        let (first, done) = beside(async { 1 }, second.as_mut()).await;
        assert_eq!((first, done), (1, None));
        sender.send(2).expect("somebody waits");
        let first = tokio::task::yield_now();
        assert_eq!(beside(first, second.as_mut()).await, ((), Some(Ok(2))));
    }
}
