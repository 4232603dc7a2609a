//! The programs to compare with: each does one thing that the daemon must do, and nothing else.

use std::fs::{File, rename};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use etcd_client::{GetOptions, WatchOptions, WatchStream};

use crate::Result;
use crate::etcd::{Etcd, connect, runtime};
use crate::fleet::PREFIX;

/// One message may be as large as etcd makes it.
const LARGEST_MESSAGE: usize = 1 << 30;

/// One range over everything, in one message. Returns how many bytes it has.
pub(crate) fn range(etcd: &Etcd) -> Result<(Duration, usize)> {
    runtime()?.block_on(async {
        let client = etcd.client().await?;
        let mut kv = client.kv_client().max_decoding_message_size(LARGEST_MESSAGE);
        let begun = Instant::now();
        let answer = kv.get(PREFIX, Some(GetOptions::new().with_prefix())).await?;
        let bytes = answer.kvs().iter().map(|kv| kv.key().len() + kv.value().len()).sum();
        Ok((begun.elapsed(), bytes))
    })
}

/// `etcdctl get --prefix`, to nowhere.
pub(crate) fn etcdctl(etcd: &Etcd) -> Result<Duration> {
    let begun = Instant::now();
    let status = etcd.etcdctl().args(["get", "--prefix", PREFIX]).status()?;
    if !status.success() {
        return Err(format!("etcdctl ended with {status}").into());
    }
    Ok(begun.elapsed())
}

/// A watch of a prefix, that does nothing with what it gets but count it.
pub(crate) struct Watcher(WatchStream);

impl Watcher {
    pub(crate) async fn start(endpoint: &str, prefix: &str) -> Result<Self> {
        let client = connect(endpoint).await?;
        let mut watch = client.watch_client().max_decoding_message_size(LARGEST_MESSAGE);
        let mut stream = watch.watch(prefix, Some(WatchOptions::new().with_prefix())).await?;
        // That it is created.
        stream.message().await?;
        Ok(Self(stream))
    }

    /// Returns how many events the next message has.
    pub(crate) async fn next(&mut self) -> Result<usize> {
        let message = self.0.message().await?.ok_or("the watch has ended")?;
        Ok(message.events().len())
    }
}

/// Writes bytes as a file is replaced: write, sync, rename, sync the directory.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<Duration> {
    let directory = path.parent().ok_or("a path in a directory")?;
    let staged = directory.join("staged");
    let begun = Instant::now();
    let mut file = File::create(&staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(&staged, path)?;
    File::open(directory)?.sync_all()?;
    Ok(begun.elapsed())
}
