//! A command of the program that runs to its end: what it printed, and how it ended.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::process::command;

/// What came of it.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `etcd-sd` with these arguments.
pub(crate) async fn etcd_sd<A: Into<OsString> + Clone>(args: &[A]) -> Ran {
    run(args, Vec::new(), None).await
}

/// The same, in a directory.
pub(crate) async fn etcd_sd_in<A: Into<OsString> + Clone>(directory: &Path, args: &[A]) -> Ran {
    run(args, Vec::new(), Some(directory)).await
}

/// The same, with something on its standard input.
pub(crate) async fn etcd_sd_with<A: Into<OsString> + Clone>(input: Vec<u8>, args: &[A]) -> Ran {
    run(args, input, None).await
}

async fn run<A: Into<OsString> + Clone>(
    args: &[A],
    input: Vec<u8>,
    directory: Option<&Path>,
) -> Ran {
    let mut command = command(env!("CARGO_BIN_EXE_etcd-sd"));
    command.args(args.iter().cloned().map(Into::into));
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    ends(command, input).await
}

/// Runs a command to its end, with nothing for the program in its environment but what it has
/// been given.
pub(crate) async fn ends(mut command: Command, input: Vec<u8>) -> Ran {
    let given: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    for (name, _) in std::env::vars_os().filter(|(name, _)| !given.contains(name)) {
        if name.to_string_lossy().starts_with("ETCD_SD_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The embedded registry runs beside it.
    let running = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writing = std::thread::spawn(move || {
            // It may have no use for it.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        output
    });
    let output = running.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
