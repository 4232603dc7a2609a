//! Child processes that do not outlive the test.

use std::ffi::OsStr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait::eventually;

/// A command for a child that the kernel kills should the test's thread die
/// without a chance to. util-linux's `setpriv` asks the kernel for that and then
/// becomes the program, where it is installed; a `Process` kills on drop anyway.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    static SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "true"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    let mut command;
    if *SETPRIV {
        command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
    } else {
        command = Command::new(program);
    }
    command.stdin(Stdio::null());
    command
}

/// The program that a variable names, else the one on the PATH.
pub(crate) fn program(variable: &str, name: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| name.to_owned())
}

/// A running child, killed when dropped.
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    pub(crate) fn spawn(name: &str, command: &mut Command) -> Self {
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name} ({command:?}): {error}"));
        Self { child, name: name.to_owned() }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal)
            .unwrap_or_else(|error| panic!("{signal:?} to {}: {error}", self.name));
    }

    /// The status, if the child has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("wait for a child")
    }

    /// Waits for the child's own end.
    pub(crate) async fn end(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        eventually(within, &what, async || self.ended().ok_or_else(|| "it still runs".to_owned()))
            .await
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        // Only fails when the child has ended already.
        let _ = self.child.kill();
        self.child.wait().expect("wait for a killed child");
    }

    /// Processor time used so far, to a hundredth of a second.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = self.proc("stat");
        // The second field, the name in brackets, may itself hold spaces.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks = |field: &str| field.parse::<u64>().unwrap();
        // Fields 14 and 15, utime and stime, counted in USER_HZ, 100 a second.
        Duration::from_millis(10 * (ticks(fields[11]) + ticks(fields[12])))
    }

    /// Memory in use now, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = self.proc("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("VmRSS in /proc/<pid>/status");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes * 1024
    }

    /// What the process list shows of it.
    pub(crate) fn command_line(&self) -> String {
        self.proc("cmdline").replace('\0', " ")
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
