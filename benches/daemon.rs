//! The daemon as a process, on the embedded registry: from its start to the file that has all, and
//! from a put to the file that has it. Beside each, the least of the same: one range, and a bare
//! watch with a bare write.
#![allow(missing_docs, reason = "criterion's macros write none")]

#[path = "../tests/embedded/mod.rs"]
mod embedded;
mod fixtures;

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use etcd_client::{Client, GetOptions, WatchOptions};
use tokio::runtime::{Builder, Runtime};

use embedded::Embedded;
use fixtures::{address, key, prefix};

/// Beyond these the embedded registry itself is what takes time.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// How often to look at the file, and for how long.
const LOOK: Duration = Duration::from_micros(20);
const LIMIT: Duration = Duration::from_secs(60);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn daemon(criterion: &mut Criterion) {
    if let Err(error) = try_daemon(criterion) {
        unreachable!("the embedded registry and a new directory are there: {error}");
    }
}

fn try_daemon(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("daemon");
    for size in SIZES {
        let mut scene = Scene::start(size)?;
        group.bench_function(BenchmarkId::new("bare_range", size), |bencher| {
            bencher.iter_custom(|times| scene.times(times, Scene::range));
        });
        group.bench_function(BenchmarkId::new("start_to_file", size), |bencher| {
            bencher.iter_custom(|times| scene.times(times, Scene::start_to_file));
        });
        group.bench_function(BenchmarkId::new("bare_watch_and_write", size), |bencher| {
            bencher.iter_custom(|times| scene.times(times, Scene::bare_change));
        });
        let running = Daemon::start(&scene)?;
        running.file_is_not(None)?;
        group.bench_function(BenchmarkId::new("put_to_file", size), |bencher| {
            bencher.iter_custom(|times| scene.times(times, |scene| scene.change(&running)));
        });
    }
    group.finish();
    Ok(())
}

/// The embedded registry on threads of its own, and a directory on the disk of the build.
struct Scene {
    registry: Embedded,
    client: Client,
    runtime: Runtime,
    directory: tempfile::TempDir,
    /// As large as the daemon's.
    document: Vec<u8>,
    round: usize,
}

impl Scene {
    fn start(size: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let registry = runtime.block_on(Embedded::start());
        registry.store().put_many((0..size).map(|it| (key(it), address(it, 0))));
        let client = runtime.block_on(Client::connect([registry.endpoint()], None))?;
        let directory = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
        let document = fixtures::registry(size).render().map(|it| it.to_vec()).unwrap_or_default();
        Ok(Self { registry, client, runtime, directory, document, round: 0 })
    }

    fn times(
        &mut self,
        times: u64,
        mut measure: impl FnMut(&mut Self) -> Result<Duration>,
    ) -> Duration {
        let measured = (0..times).map(|_| measure(self));
        measured.sum::<Result<_>>().unwrap_or_else(|error| unreachable!("it works: {error}"))
    }

    fn range(&mut self) -> Result<Duration> {
        let mut kv = self.client.kv_client().max_decoding_message_size(usize::MAX);
        let begun = Instant::now();
        let options = GetOptions::new().with_prefix();
        self.runtime.block_on(kv.get(prefix().as_str(), Some(options)))?;
        Ok(begun.elapsed())
    }

    fn start_to_file(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        let daemon = Daemon::start(self)?;
        let there = daemon.file_is_not(None)?;
        fs::remove_file(&daemon.file)?;
        Ok(there - begun)
    }

    /// A put until a watch has it, and a write of the same bytes.
    fn bare_change(&mut self) -> Result<Duration> {
        let mut client = self.client.clone();
        let options = WatchOptions::new().with_prefix();
        let mut watch = self.runtime.block_on(client.watch(prefix().as_str(), Some(options)))?;
        self.runtime.block_on(watch.message())?;
        let begun = Instant::now();
        self.put()?;
        self.runtime.block_on(watch.message())?;
        let (staged, file) =
            (self.directory.path().join("staged"), self.directory.path().join("b"));
        let mut writing = File::create(&staged)?;
        writing.write_all(&self.document)?;
        writing.sync_all()?;
        fs::rename(&staged, file)?;
        Ok(begun.elapsed())
    }

    fn change(&mut self, daemon: &Daemon) -> Result<Duration> {
        let before = inode(&daemon.file);
        let begun = Instant::now();
        self.put()?;
        Ok(daemon.file_is_not(before)? - begun)
    }

    fn put(&mut self) -> Result<()> {
        self.round += 1;
        let mut kv = self.client.kv_client();
        self.runtime.block_on(kv.put(key(0), address(0, self.round), None))?;
        Ok(())
    }
}

/// The process, until this is dropped.
struct Daemon {
    process: Child,
    file: PathBuf,
}

impl Daemon {
    fn start(scene: &Scene) -> Result<Self> {
        let file = scene.directory.path().join("tgroups.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_etcd-sd"));
        command.args(["--server", &scene.registry.endpoint(), "--debounce", "0"]);
        command.arg("--target-file").arg(&file).stderr(Stdio::null());
        Ok(Self { process: command.spawn()?, file })
    }

    /// When there was another file than `before`.
    fn file_is_not(&self, before: Option<u64>) -> Result<Instant> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let there = inode(&self.file);
            if there.is_some() && there != before {
                return Ok(Instant::now());
            }
            if Instant::now() > deadline {
                return Err("the daemon writes nothing".into());
            }
            sleep(LOOK);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).map(|metadata| metadata.ino()).ok()
}

criterion_group! { name = benches; config = fixtures::criterion(); targets = daemon }
criterion_main!(benches);
