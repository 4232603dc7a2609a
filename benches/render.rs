//! How fast the document is rendered: as a whole, and after a change of one service.
#![allow(missing_docs, reason = "criterion's macros write none")]

mod fixtures;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use fixtures::{PER_SERVICE, SIZES, puts, registry};

fn render(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("render");
    for size in SIZES {
        let mut registry = registry(size);
        let bytes = registry.render().map_or(0, |document| document.len());
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
            let render = |()| registry.borrow_mut().render();
            bencher.iter_batched(move_one, render, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = fixtures::criterion(); targets = render }
criterion_main!(benches);
