//! The daemon: parses the command line, runs, and says how it ended.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use etcd_sd::config::Args;
use etcd_sd::telemetry::{self, Chain};
use tracing::error;

fn main() -> ExitCode {
    let args = Args::parse();
    telemetry::init(args.log_level, args.log_format);
    let config = match args.config() {
        Ok(config) => config,
        Err(error) => Args::command().error(ErrorKind::ValueValidation, error).exit(),
    };
    match actix::System::new().block_on(etcd_sd::run(config, etcd_sd::terminated())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error = %Chain(&error), "failed");
            ExitCode::from(error.exit_code())
        }
    }
}
