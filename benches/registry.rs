//! How fast the registry takes a list, and the changes after it.
#![allow(missing_docs, reason = "criterion's macros write none")]

mod fixtures;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etcd_sd::core::debounce::Debounce;
use etcd_sd::core::event::{Change, Event};
use etcd_sd::core::registry::{Applied, Registry};
use etcd_sd::core::schema::Schema;

use fixtures::{SIZES, list, prefix, puts, registry};

/// Changes that are measured together.
const BATCH: usize = 10_000;

/// Changes of a message: what a busy etcd has put into one.
const MESSAGE: usize = 100;

/// A prime: so the changes come to all services in turn.
const STRIDE: usize = 7_919;

fn lists(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("list");
    for size in SIZES {
        group.throughput(Throughput::Elements(size as u64));
        let events = list(size);
        group.bench_with_input(BenchmarkId::new("first", size), &events, |bencher, events| {
            let empty = || (Registry::new(Schema::below(&prefix()).into()), events.clone());
            bencher.iter_batched(empty, take_list, BatchSize::PerIteration);
        });
        let mut held = registry(size);
        group.bench_with_input(BenchmarkId::new("again", size), &events, |bencher, events| {
            let events = || events.clone();
            let apply = |events| replace_by_list(&mut held, events);
            bencher.iter_batched(events, apply, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// Each change goes to the debounce too, as the persister's hint does.
fn changes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("changes");
    group.throughput(Throughput::Elements(BATCH as u64));
    for size in SIZES {
        let mut registry = registry(size);
        let mut debounce = Debounce::new(Duration::from_millis(200), Duration::from_secs(2));
        let mut round = 0;
        group.bench_function(BenchmarkId::new("moves", size), |bencher| {
            let messages = || {
                round += 1;
                messages(size, round).collect::<Vec<_>>()
            };
            let apply = |messages| apply_changes(&mut registry, &mut debounce, messages);
            bencher.iter_batched(messages, apply, BatchSize::PerIteration);
        });
        group.bench_function(BenchmarkId::new("deletes_and_returns", size), |bencher| {
            let messages = || {
                round += 2;
                let gone = messages(size, round - 1).take(BATCH / MESSAGE / 2).map(deletes);
                let back = messages(size, round).take(BATCH / MESSAGE / 2);
                gone.chain(back).collect::<Vec<_>>()
            };
            let apply = |messages| apply_changes(&mut registry, &mut debounce, messages);
            bencher.iter_batched(messages, apply, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn messages(size: usize, round: usize) -> impl Iterator<Item = Event> {
    let instance = move |change: usize| change * STRIDE % size;
    (0..BATCH / MESSAGE)
        .map(move |message| puts((message * MESSAGE..).take(MESSAGE).map(instance), round))
}

fn deletes(event: Event) -> Event {
    let Event::Changes { changes, revision, complete } = event else {
        return event;
    };
    let changes = changes.into_iter().map(|change| match change {
        Change::Put(kv) => Change::Delete { key: kv.key, mod_revision: kv.mod_revision, lease: 0 },
        delete @ Change::Delete { .. } => delete,
    });
    Event::Changes { changes: changes.collect(), revision, complete }
}

fn take_list((mut registry, events): (Registry, Vec<Event>)) -> Registry {
    for event in events {
        registry.apply(event);
    }
    registry
}

/// Gives back what the list has replaced, too: it is freed elsewhere, and not measured.
fn replace_by_list(registry: &mut Registry, events: Vec<Event>) -> Vec<Applied> {
    events.into_iter().map(|event| registry.apply(event)).collect()
}

fn apply_changes(registry: &mut Registry, debounce: &mut Debounce, messages: Vec<Event>) {
    for message in messages {
        if registry.apply(message).changed {
            debounce.changed(Instant::now());
        }
        black_box(debounce.due());
    }
}

criterion_group! { name = benches; config = fixtures::criterion(); targets = lists, changes }
criterion_main!(benches);
