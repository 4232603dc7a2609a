//! `cargo run --release --example quickstart`: etcd-sd at work, with nothing to install.
//!
//! ```text
//!   stage thread                          this thread
//!   embedded registry <──── gRPC ──────── etcd_sd::run: the daemon, as it is
//!     ^           │                             │
//!   fleet       journal ──> console <── viewer ─┴─ target file
//! ```
//!
//! The [`fleet`] changes the registry as services do, the [`journal`] says what changed
//! there, the [`viewer`] shows the file whenever it differs.

mod console;
#[path = "../../tests/embedded/mod.rs"]
mod embedded;
mod fleet;
mod guide;
mod journal;
mod stage;
mod table;
mod viewer;
mod warnings;

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use clap::Parser;
use etcd_sd::config::{self, Config};
use etcd_sd::telemetry::{self, Chain, LogFormat, LogLevel};

use console::Console;
use stage::Stage;
use viewer::Viewer;

/// Shows etcd-sd at work: a service registry, the daemon, and the file that Prometheus reads.
///
/// Starts a small etcd inside this process, on a free port of 127.0.0.1, runs the daemon on
/// it and plays a short life of a fleet: services come, scale, move, fail and go. Then it is
/// your turn: change the registry with etcdctl, or the file by hand, and see what happens.
/// The file lives in a temporary directory that is removed at the end.
#[derive(Debug, Parser)]
#[command(name = "quickstart", max_term_width = 100)]
struct Args {
    /// End after this time, such as 10s or 2m, instead of at Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    limit: Option<Duration>,

    /// Show the daemon's whole log too, on standard error
    #[arg(long)]
    logs: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let console = Console::new();
    let warnings = if args.logs {
        telemetry::init(LogLevel::Info, LogFormat::Text);
        mpsc::channel().1
    } else {
        warnings::collect()
    };
    match show(&console, args.limit, warnings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::failed(&Chain(&*error).to_string());
            ExitCode::FAILURE
        }
    }
}

fn show(
    console: &Console,
    limit: Option<Duration>,
    warnings: Receiver<Vec<String>>,
) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::Builder::new().prefix("etcd-sd-quickstart-").tempdir()?;
    let path = directory.path().join("tgroups.json");
    let viewer = Viewer::new(path.clone(), warnings);
    // Free for now, and so most likely a moment later.
    let page = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let stage = Stage::open(console.clone(), viewer, page, limit)?;
    let daemon = config(stage.endpoint(), &path, page).map(|config| {
        let end = async {
            tokio::select! {
                () = etcd_sd::terminated() => {}
                () = console.closed() => {}
                () = after(limit) => {}
            }
        };
        actix::System::new().block_on(etcd_sd::run(config, end))
    });
    let played = stage.close();
    directory.close()?;
    daemon??;
    played
}

/// What the daemon's own command line makes of these flags, whatever the environment says.
fn config(endpoint: &str, path: &Path, page: SocketAddr) -> Result<Config, Box<dyn Error>> {
    let path = path.to_str().ok_or("the temporary directory's name is not UTF-8")?;
    let args = config::Arguments::try_parse_from([
        "etcd-sd",
        "--server",
        endpoint,
        "--prefix",
        fleet::PREFIX,
        "--target-file",
        path,
        "--debounce",
        "200ms",
        "--debounce-max",
        "2s",
        "--listen",
        &page.to_string(),
    ])?;
    Ok(Config { once: None, ..args.config()? })
}

async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; give a duration such as 10s or 2m"))
}
