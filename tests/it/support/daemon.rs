//! The daemon under test, as a child process.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::backend::Etcd;
use super::file::TargetFile;
use super::log::{Line, Log};
use super::process::{Process, command};
use super::rights::as_nobody;
use super::wait::{SOON, ensure, eventually};

/// A running daemon. Its log is shown when the test fails.
pub(crate) struct Daemon {
    process: Process,
    log: Log,
}

impl Daemon {
    /// Starts it on a registry and a file, with more arguments.
    pub(crate) fn start(etcd: &Etcd, file: &TargetFile, more: &[&str]) -> Self {
        Self::start_at(etcd.endpoint(), file, more)
    }

    /// Starts it on an address, where a registry may be or not.
    pub(crate) fn start_at(server: &str, file: &TargetFile, more: &[&str]) -> Self {
        Self::start_with(server, file, more, &[])
    }

    /// Starts it with environment variables as well.
    pub(crate) fn start_with(
        server: &str,
        file: &TargetFile,
        more: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let path = file.path().to_str().unwrap();
        let mut args = vec!["--server", server, "--target-file", path];
        args.extend(["--log-format", "json"]);
        args.extend(more);
        Self::run_with(&args, variables)
    }

    /// Starts it with these arguments and no others.
    pub(crate) fn run(args: &[&str]) -> Self {
        Self::run_with(args, &[])
    }

    /// Starts it with these arguments and environment variables and no others.
    pub(crate) fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::spawn(command(env!("CARGO_BIN_EXE_etcd-sd")), args, variables)
    }

    /// Starts it as a user without rights.
    pub(crate) fn start_as_nobody(etcd: &Etcd, file: &TargetFile, more: &[&str]) -> Self {
        let mut command = as_nobody();
        command.arg(env!("CARGO_BIN_EXE_etcd-sd"));
        let path = file.path().to_str().unwrap();
        let args = ["--server", etcd.endpoint(), "--target-file", path, "--log-format", "json"];
        Self::spawn(command, &[&args[..], more].concat(), &[])
    }

    /// Has this command become the daemon: its last argument is followed by the daemon's path
    /// and these arguments.
    pub(crate) fn run_by(mut command: Command, args: &[&str]) -> Self {
        command.arg(env!("CARGO_BIN_EXE_etcd-sd"));
        Self::spawn(command, args, &[])
    }

    fn spawn(mut command: Command, args: &[&str], variables: &[(&str, &str)]) -> Self {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ETCD_SD_")) {
            command.env_remove(name);
        }
        command.env_remove("RUST_LOG").envs(variables.iter().copied());
        command.args(args).stdout(Stdio::null());
        let mut process = Process::spawn("etcd-sd", command.stderr(Stdio::piped()));
        let log = Log::collect(process.child().stderr.take().unwrap());
        Self { process, log }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The lines with this message so far.
    pub(crate) fn logged(&self, message: &str) -> Vec<Line> {
        self.log.with_message(message)
    }

    /// Waits for the first line with this message.
    pub(crate) async fn wait_for_log(&self, message: &str) -> Line {
        self.wait_for_logs(message, 1).await.remove(0)
    }

    /// Waits until that many lines have this message.
    pub(crate) async fn wait_for_logs(&self, message: &str, count: usize) -> Vec<Line> {
        let what = format!("the daemon logs {message:?}, {count} times");
        eventually(SOON, &what, async || {
            let complete = self.log.is_complete();
            let lines = self.log.with_message(message);
            if lines.len() >= count {
                return Ok(lines);
            }
            assert!(!complete, "{what}: it ended instead");
            Err(format!("{} such lines", lines.len()))
        })
        .await
    }

    /// The lines of a level with all of these words, whatever their case, anywhere in them.
    pub(crate) fn said(&self, level: &str, words: &[&str]) -> Vec<String> {
        self.log.with_words(level, words)
    }

    /// Waits for the first such line.
    pub(crate) async fn says(&self, level: &str, words: &[&str]) -> String {
        let what = format!("the daemon says with {level} what has the words {words:?}");
        eventually(SOON, &what, async || {
            let line = self.said(level, words).into_iter().next();
            line.ok_or_else(|| "not yet".to_owned())
        })
        .await
    }

    /// Waits for a line of any message that gives a reason with these words in it.
    pub(crate) async fn wait_for_reason(&self, words: &str) -> Line {
        let what = format!("the daemon gives the reason {words:?}");
        eventually(SOON, &what, async || {
            let lines = self.log.with_field("reason");
            let line = lines.into_iter().rfind(|line| line.text("reason").contains(words));
            line.ok_or_else(|| "not yet".to_owned())
        })
        .await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn stop(&mut self) -> i32 {
        self.signal(Signal::TERM);
        self.exit_code(SOON).await
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// The status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Waits for its end by whatever cause; the log is complete then.
    pub(crate) async fn ends(&mut self, within: Duration) -> ExitStatus {
        let status = self.process.end(within).await;
        eventually(SOON, "the log ends with the daemon", async || {
            ensure(self.log.is_complete(), || "the pipe is open".to_owned())
        })
        .await;
        status
    }

    /// Waits for its own end.
    pub(crate) async fn exit_code(&mut self, within: Duration) -> i32 {
        let status = self.ends(within).await;
        let code = status.code();
        code.unwrap_or_else(|| panic!("the daemon did not exit by itself: {status}"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn cpu_time(&self) -> Duration {
        self.process.cpu_time()
    }

    pub(crate) fn command_line(&self) -> String {
        self.process.command_line()
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        self.process.resident_bytes()
    }

    /// Panics if it has ended.
    pub(crate) fn still_runs(&mut self) {
        if let Some(status) = self.process.ended() {
            panic!("the daemon ended by itself, {status}");
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}---", self.log.raw());
        }
    }
}
