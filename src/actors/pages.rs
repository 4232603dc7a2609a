//! The pages of one list: all at the revision of the first, each as large as
//! [`core::paging`](crate::core::paging) says.

use crate::core::event::Revision;
use crate::core::key::Prefix;
use crate::core::paging::{Paging, key_after};
use crate::etcd::{Connection, Error, Page};

/// A list that is under way.
pub(super) struct Pages {
    prefix: Prefix,
    /// Where the next page starts; `None` after the last.
    from: Option<Vec<u8>>,
    paging: Paging,
    pinned: Option<Revision>,
}

impl Pages {
    /// All keys of the prefix, as of the newest revision when the first page is read.
    pub(super) fn of(prefix: Prefix, connection: &Connection) -> Self {
        let from = Some(prefix.as_str().as_bytes().to_vec());
        Self { prefix, from, paging: Paging::of(connection.database), pinned: None }
    }

    /// Reads the next page. There is at least one, be it empty; `None` after the last.
    pub(super) async fn next(&mut self, connection: &Connection) -> Result<Option<Page>, Error> {
        let Self { prefix, from, paging, pinned } = self;
        let Some(start) = from else {
            return Ok(None);
        };
        let page = loop {
            match connection.page(prefix, start.clone(), paging.limit(), *pinned).await {
                Err(Error::TooLarge) if paging.too_large() => {}
                Err(Error::Timeout(_)) if paging.too_slow() => {}
                page => break page?,
            }
        };
        pinned.get_or_insert(page.header.revision);
        let bytes = page.entries.iter().map(|kv| kv.key.len() + kv.value.len()).sum();
        paging.received(page.entries.len(), bytes);
        let last = page.entries.last().filter(|_| page.more);
        *from = last.map(|kv| key_after(kv.key.clone()));
        Ok(Some(page))
    }
}
