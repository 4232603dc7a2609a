//! How fast the document is rendered: as a whole, and after a change of one service, up to where
//! it can be written; beside it one copy of its bytes, to compare with.
#![allow(missing_docs, reason = "criterion's macros write none")]

mod fixtures;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use fixtures::{PER_SERVICE, SIZES, puts, registry};

fn render(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("render");
    for size in SIZES {
        let mut registry = registry(size);
        let bytes = registry.render().map_or(0, |document| document.len());
        let whole = registry.render().map(|document| document.to_vec()).unwrap_or_default();
        let registry = std::cell::RefCell::new(registry);
        let mut round = 0;
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("all_services", size), |bencher| {
            let move_one_each = || {
                round += 1;
                registry.borrow_mut().apply(puts((0..size).step_by(PER_SERVICE), round));
            };
            let render = |()| registry.borrow_mut().render();
            bencher.iter_batched(move_one_each, render, BatchSize::PerIteration);
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("one_service_of_all", size), |bencher| {
            let move_one = || {
                round += 1;
                registry.borrow_mut().apply(puts(std::iter::once(size / 2), round));
            };
            // All slices in their order: what a vectored write begins with.
            let render = |()| {
                let document = registry.borrow_mut().render();
                let slices = document.as_ref().map(|document| document.chunks().count());
                (document, slices)
            };
            bencher.iter_batched(move_one, render, BatchSize::PerIteration);
        });
        group.throughput(Throughput::Bytes(bytes as u64));
        let mut copy = whole.clone();
        group.bench_function(BenchmarkId::new("memcpy", size), |bencher| {
            bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&whole)));
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = fixtures::criterion(); targets = render }
criterion_main!(benches);
