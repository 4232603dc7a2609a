//! Programs that run beside this one, and what they use of the machine.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// A program, until this is dropped.
pub(crate) struct Running(Child);

/// What each thread of a process has used of the processors.
#[derive(Default)]
pub(crate) struct Cpu(HashMap<String, Duration>);

impl Running {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        Ok(Self(child))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn hang_up(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.0), Signal::HUP)?)
    }

    /// What it has used so far.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let mut used = HashMap::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let thread = thread?;
            match on_cpu(&thread.path().join("schedstat")) {
                Ok(time) => used.insert(thread.file_name().to_string_lossy().into_owned(), time),
                // It has ended meanwhile.
                Err(_) => continue,
            };
        }
        Ok(Cpu(used))
    }

    /// What it has used since `before`, without the threads that have ended.
    pub(crate) fn cpu_since(&self, before: &Cpu) -> Result<Duration> {
        let since = |(thread, time): (&String, &Duration)| {
            time.saturating_sub(before.0.get(thread).copied().unwrap_or_default())
        };
        Ok(self.cpu()?.0.iter().map(since).sum())
    }

    /// Bytes that are resident now, and at most until now.
    pub(crate) fn resident(&self) -> Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name)).ok_or("a field")?;
            let kilobytes = line.split_whitespace().nth(1).ok_or("a number")?;
            Ok(kilobytes.parse::<u64>()? * 1024)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What this thread has used of the processors.
pub(crate) fn thread_cpu() -> Result<Duration> {
    Ok(on_cpu(Path::new("/proc/thread-self/schedstat"))?)
}

fn on_cpu(schedstat: &Path) -> std::io::Result<Duration> {
    let stat = fs::read_to_string(schedstat)?;
    let nanoseconds = stat.split_whitespace().next().and_then(|field| field.parse().ok());
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| ErrorKind::InvalidData.into())
}
