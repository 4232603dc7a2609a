//! How fast a document gets into the target file, to stay there whatever happens: written,
//! synced and renamed. The disk's speed more than ours.
#![allow(missing_docs, reason = "criterion's macros write none")]

mod fixtures;

use std::error::Error;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etcd_sd::file::{Access, TargetFile};

use fixtures::{SIZES, registry};

fn publish(criterion: &mut Criterion) {
    if let Err(error) = try_publish(criterion) {
        unreachable!("a new directory can be written to: {error}");
    }
}

fn try_publish(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    // On the disk of the build, since /tmp may be none.
    let directory = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let file = TargetFile::new(directory.path().join("tgroups.json")).locate()?;
    let mut group = criterion.benchmark_group("publish");
    for size in SIZES {
        let Some(document) = registry(size).render() else {
            continue;
        };
        group.throughput(Throughput::Bytes(document.len() as u64));
        group.bench_with_input(
            BenchmarkId::new("replace", size),
            &document,
            |bencher, document| {
                bencher.iter(|| assert!(file.replace(document, Access::default()).is_ok()));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("compare", size),
            &document,
            |bencher, document| {
                bencher.iter(|| assert!(matches!(file.compare(document), Ok(None))));
            },
        );
    }
    group.finish();
    Ok(())
}

criterion_group! { name = benches; config = fixtures::criterion(); targets = publish }
criterion_main!(benches);
