//! The daemon: parses the command line, runs, and says how it ended.

use std::process::exit;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use etcd_sd::commands;
use etcd_sd::config::{Arguments, Command};
use etcd_sd::telemetry::{self, Chain};
use mimalloc::MiMalloc;
use tracing::error;

/// A million entries are millions of small texts: they take less room, and what a fleet no longer
/// needs goes back to the machine.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let system = actix::System::new();
    system.block_on(async { etcd_sd::outlive_requests() });
    let args = Arguments::parse();
    let command = args.command.as_ref();
    let log_level = command.and_then(Command::log_level).unwrap_or(args.running.log_level);
    telemetry::init(log_level, args.running.log_format);
    if let Some(command) = args.command {
        let code = system.block_on(commands::run(command)).unwrap_or_else(|error| {
            error!(error = %Chain(&error), "failed");
            error.exit_code()
        });
        exit(code);
    }
    let config = match args.config() {
        Ok(config) => config,
        Err(error) => Arguments::command().error(ErrorKind::ValueValidation, error).exit(),
    };
    let run = async { etcd_sd::run(config, etcd_sd::terminated()).await };
    let code = match system.block_on(run) {
        Ok(()) => 0,
        Err(error) => {
            error!(error = %Chain(&error), "failed");
            error.exit_code()
        }
    };
    // Dropping the system would wait for file I/O under way: for ever, on a disk that hangs.
    exit(code);
}
