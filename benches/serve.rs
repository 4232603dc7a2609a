//! How fast discovery is answered over HTTP: all of it from the pieces that are kept, packed, and
//! a shard, for the first who asks and for all others, and after a change of one service. Beside
//! them one copy of the bytes, to compare with. The client is on this host and takes its time too.
#![allow(missing_docs, reason = "criterion's macros write none")]

mod fixtures;

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etcd_sd::etcd::Connector;
use etcd_sd::http::{Address, Inspected, Listen, Server};
use etcd_sd::observer::Observer;
use tokio::sync::mpsc;

use fixtures::{SIZES, puts, registry};

const PACKED: &str = "Accept-Encoding: gzip\r\n";

/// A connection that is kept, as Prometheus keeps it.
struct Client(BufReader<TcpStream>);

impl Client {
    /// The length of the answer.
    fn get(&mut self, path: &str, header: &str) -> std::io::Result<usize> {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
        self.0.get_mut().write_all(ask.as_bytes())?;
        let (mut line, mut length) = (String::new(), 0);
        while self.0.read_line(&mut line)? > 2 {
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.trim().parse().unwrap_or_default();
            }
            line.clear();
        }
        let (mut left, mut part) = (length, vec![0; 1 << 16]);
        while left > 0 {
            let room = part.len().min(left);
            left -= self.0.read(&mut part[..room])?;
        }
        Ok(length)
    }
}

fn serve(criterion: &mut Criterion) {
    if let Err(error) = try_serve(criterion) {
        unreachable!("this host can be listened on: {error}");
    }
}

fn try_serve(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group("serve");
    for size in SIZES {
        let observer = Observer::default();
        let (orders, _orders) = mpsc::channel(1);
        let address = Address::parse("127.0.0.1:0")?;
        let listen = Listen {
            address,
            identity: None,
            token: None,
            expose_values: false,
            shard: None,
            enable_lifecycle: false,
        };
        // Nobody asks for what the actors know.
        let inspected = Arc::new(Inspected::new(Vec::new(), Connector::default()));
        let server = Server::bind(listen, observer.clone(), inspected, orders)?;
        let mut client = Client(BufReader::new(TcpStream::connect(server.address())?));
        let mut registry = registry(size);
        let mut round = 0;
        let mut change = || {
            round += 1;
            registry.apply(puts(std::iter::once(size / 2), round));
            registry.render().inspect(|document| {
                observer.board.publish(document.clone());
            })
        };
        let whole = change().map(|document| document.to_vec()).unwrap_or_default();
        group.throughput(Throughput::Bytes(whole.len() as u64));
        let mut copy = whole.clone();
        group.bench_function(BenchmarkId::new("memcpy", size), |bencher| {
            bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&whole)));
        });
        for (name, path, header) in
            [("all", "/sd", ""), ("all_packed", "/sd", PACKED), ("shard", "/sd?shard=0&of=3", "")]
        {
            assert!(client.get(path, header)? > 0);
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| client.get(path, header));
            });
            group.bench_function(BenchmarkId::new(format!("{name}_changed"), size), |bencher| {
                let setup = || drop(change());
                bencher.iter_batched(setup, |()| client.get(path, header), BatchSize::PerIteration);
            });
        }
    }
    group.finish();
    Ok(())
}

criterion_group! { name = benches; config = fixtures::criterion(); targets = serve }
criterion_main!(benches);
