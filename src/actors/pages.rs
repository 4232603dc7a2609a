//! The pages of one list: all at the revision of the first, each as large as
//! [`core::paging`](crate::core::paging) says.

use crate::core::event::{KeyValue, Revision};
use crate::core::key::Prefix;
use crate::core::paging::{Bounds, Paging};
use crate::etcd::{Connection, Error, Page};

/// A list that is under way.
pub(super) struct Pages {
    prefix: Prefix,
    /// What is to be listed yet; `None` after the last page.
    bounds: Option<Bounds>,
    paging: Paging,
    pinned: Option<Revision>,
    /// How many keys are left, by the first page's count. A hint, and nothing more.
    left: usize,
}

impl Pages {
    /// All keys of the prefix, as of the newest revision when the first page is read.
    pub(super) fn of(prefix: Prefix, connection: &Connection) -> Self {
        let bounds = Bounds::new(prefix.as_str().as_bytes().to_vec(), prefix.range_end());
        let paging = Paging::of(connection.database);
        Self { prefix, bounds: Some(bounds), paging, pinned: None, left: 0 }
    }

    /// Reads the next page. There is at least one, and any may be empty; `None` after the last.
    /// The count of the first one is that of all keys.
    pub(super) async fn next(&mut self, connection: &Connection) -> Result<Option<Page>, Error> {
        let Self { prefix, bounds, paging, pinned, left } = self;
        let Some(range) = bounds else {
            return Ok(None);
        };
        let page = loop {
            match connection.page(prefix, range.range(), paging.limit(), *pinned).await {
                Err(Error::TooLarge) if paging.too_large() => {}
                Err(Error::Timeout(_)) if paging.too_slow() => {}
                page => break page?,
            }
        };
        if pinned.is_none() {
            (*pinned, *left) = (Some(page.header.revision), page.count);
        }
        let size = |kv: &KeyValue| kv.key.len() + kv.value.len();
        let (keys, bytes) = (page.entries.len(), page.entries.iter().map(size).sum());
        *left = left.saturating_sub(keys);
        paging.received(keys, bytes, *left);
        let ends = page.entries.first().zip(page.entries.last());
        let ends = ends.map(|(first, last)| (&*first.key, &*last.key, keys));
        if !range.received(ends, page.more, paging.limit()) {
            *bounds = None;
        }
        Ok(Some(page))
    }
}
