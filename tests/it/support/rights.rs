//! What this process may do. Tests that need more are skipped, and said by name.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::volume::Volume;

/// A user without any rights, on every system; group and user have the same number.
pub(crate) const NOBODY: u32 = 65534;

/// Ends the test here, and says so by its name, unless a condition holds.
macro_rules! needs {
    ($possible:expr, $why:literal) => {
        if !$possible {
            fn here() {}
            $crate::support::rights::say_skipped(std::any::type_name_of_val(&here), $why);
            return;
        }
    };
}
pub(crate) use needs;

/// Root in a container may not.
pub(crate) fn may_mount() -> bool {
    static MAY: LazyLock<bool> =
        LazyLock::new(|| is_root() && Volume::try_tmpfs("size=64k").is_ok());
    *MAY
}

/// Besides mounting, this takes a free loop device and `mkfs.ext4`.
pub(crate) fn may_mount_ext4() -> bool {
    static MAY: LazyLock<bool> = LazyLock::new(|| may_mount() && Volume::try_ext4(8).is_ok());
    *MAY
}

/// Whether the daemon can be run as [`NOBODY`], who must be able to reach it.
pub(crate) fn may_become_nobody() -> bool {
    static MAY: LazyLock<bool> = LazyLock::new(|| {
        let mut command = as_nobody();
        command.arg(env!("CARGO_BIN_EXE_etcd-sd")).arg("--version");
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        is_root() && status.is_ok_and(|status| status.success())
    });
    *MAY
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that becomes the program which its first argument names, as [`NOBODY`], and dies
/// with the test's thread.
pub(crate) fn as_nobody() -> Command {
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]);
    command.args(["--clear-groups", "--pdeathsig", "KILL"]).stdin(Stdio::null());
    command
}

/// Says that the test around the function `here` was skipped. libtest keeps what a test
/// prints, so this goes past it.
pub(crate) fn say_skipped(here: &str, why: &str) {
    let path = here.trim_start_matches("it::").trim_end_matches("::here");
    let name = path.replace("::{{closure}}", "");
    let _ = writeln!(std::io::stderr(), "skipped: {name}: {why}");
}
