//! `cargo run --release --example compare`: what the daemon's work costs, beside what the least
//! of it costs.
//!
//! For each size a real etcd is filled, and in the same run are measured, in turn:
//!
//! | the daemon | beside it |
//! |---|---|
//! | start to complete list | one range that only counts bytes; `etcdctl get --prefix` |
//! | a put until a file has it | a put until a bare watch has it, and a bare loop that writes the same bytes |
//! | a burst of changes, CPU and time | a bare watch of the same burst |
//! | resident memory | the bytes of keys and values; an idle daemon; a new one after a shrink |
//!
//! Only ratios of one run mean anything: machines differ, and so do their hours. Where a limit
//! is set for one, the table says whether it is met.

mod bare;
mod daemon;
mod etcd;
mod fleet;
mod limits;
mod many;
mod measure;
mod plot;
mod process;
mod prometheus;
mod report;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use etcd::Etcd;
use measure::{Figures, measure};

/// Where something may go wrong: the machine, the programs.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Compares the daemon with bare programs that do the least of the same, on a real etcd.
///
/// Takes etcd and etcdctl from the PATH, or from ETCD and ETCDCTL, and the daemon from beside
/// this program: build it with cargo build --release.
#[derive(Parser)]
struct Arguments {
    /// How many instances, in services of a hundred
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000, 1_000_000])]
    sizes: Vec<usize>,

    /// How often everything is listed
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    lists: usize,

    /// How often a change is made and waited for
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    changes: usize,

    /// How many changes a burst has
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
    bursts: Vec<usize>,

    /// Draw cost against size into this file, too
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// Instead: what so many daemons cost etcd, directly and through etcd grpc-proxy
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["plot", "prometheus"])]
    daemons: Option<usize>,

    /// Instead: what a publish costs Prometheus, from the PATH or PROMETHEUS
    #[arg(long, conflicts_with = "plot")]
    prometheus: bool,

    /// Where to keep etcd's data, best in memory
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    data: PathBuf,

    /// Where to keep the files that are written, best on a disk
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    files: PathBuf,
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "what it is for")]
fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stderr, reason = "it takes minutes")]
fn run(arguments: &Arguments) -> Result<String> {
    if let Some(daemons) = arguments.daemons {
        return many::compare(daemons, arguments);
    }
    if arguments.prometheus {
        return prometheus::compare(arguments);
    }
    let mut all: Vec<Figures> = Vec::new();
    for &size in &arguments.sizes {
        eprintln!("{size} instances …");
        let etcd = Etcd::start(&arguments.data)?;
        let mut figures = measure(&etcd, size, arguments)?;
        if let Some(first) = all.first() {
            figures.smallest_publish = first.smallest_publish;
        }
        all.push(figures);
    }
    if let Some(path) = &arguments.plot {
        std::fs::write(path, plot::draw(&all))?;
    }
    Ok(report::table(&all))
}
