//! File systems of a test's own: tiny, on a device of their own, read-only for a while, or
//! a single file mounted over another. Each ends with the test. Only root can make them:
//! see `rights`.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::wait::ensure;

/// A mounted file system.
pub(crate) struct Volume {
    mounted: Mounted,
    _directory: TempDir,
}

/// A file that is mounted over another one, as containers get theirs.
pub(crate) struct BoundFile {
    _mounted: Mounted,
}

/// Unmounted when dropped, and also if the tests are killed: by a shell that waits for the end
/// of its input.
struct Mounted {
    path: PathBuf,
    unmounter: Child,
}

impl Volume {
    /// In memory, of so many kilobytes; a page has four.
    pub(crate) fn tmpfs(kilobytes: u64) -> Self {
        Self::try_tmpfs(&format!("size={kilobytes}k,mode=755")).unwrap()
    }

    /// In memory, with options of tmpfs.
    pub(crate) fn try_tmpfs(options: &str) -> Result<Self, String> {
        let directory = tempfile::tempdir().unwrap();
        let arguments = [OsStr::new("-t"), "tmpfs".as_ref(), "-o".as_ref(), options.as_ref()];
        let mounted = Mounted::mount(&arguments, "none".as_ref(), directory.path())?;
        Ok(Self { mounted, _directory: directory })
    }

    /// An ext4 on a loop device, of so many megabytes.
    pub(crate) fn ext4(megabytes: u64) -> Self {
        Self::try_ext4(megabytes).unwrap()
    }

    pub(crate) fn try_ext4(megabytes: u64) -> Result<Self, String> {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let image = directory.path().join("image");
        File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))?;
        let point = directory.path().join("volume");
        fs::create_dir(&point).unwrap();
        let mounted = Mounted::mount(&["-o".as_ref(), "loop".as_ref()], image.as_ref(), &point)?;
        Ok(Self { mounted, _directory: directory })
    }

    /// Where it is mounted. Everybody may look into it, and only root may write.
    pub(crate) fn path(&self) -> &Path {
        &self.mounted.path
    }

    /// Changes its options, such as `ro`.
    pub(crate) fn remount(&self, options: &str) -> Result<(), String> {
        let mut command = Command::new("mount");
        run(command.arg("-o").arg(format!("remount,{options}")).arg(self.path()))
    }

    /// Fills it up but for so many bytes, with a file whose path this returns.
    pub(crate) fn fill(&self, but: u64) -> PathBuf {
        let path = self.path().join("filler");
        let mut filler = File::options().append(true).create(true).open(&path).unwrap();
        while self.free() > but {
            let length = usize::try_from((self.free() - but).min(1 << 16)).unwrap();
            match filler.write_all(&vec![b'x'; length]) {
                Ok(()) => filler.sync_all().unwrap(),
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
        path
    }

    /// In bytes.
    pub(crate) fn free(&self) -> u64 {
        let looked = rustix::fs::statvfs(self.path()).unwrap();
        looked.f_bavail * looked.f_frsize
    }
}

impl BoundFile {
    /// Mounts the file `source` over the file `at`, which must exist.
    pub(crate) fn mount(source: &Path, at: &Path) -> Self {
        Self { _mounted: Mounted::mount(&["--bind".as_ref()], source.as_ref(), at).unwrap() }
    }
}

impl Mounted {
    fn mount(options: &[&OsStr], source: &OsStr, at: &Path) -> Result<Self, String> {
        // Somebody may still have a file open there.
        const UNMOUNT: &str = "trap '' HUP INT TERM; read -r _; \
            umount \"$0\" 2>/dev/null || umount -l \"$0\"";
        run(Command::new("mount").args(options).arg(source).arg(at))?;
        let mut unmounter = Command::new("sh");
        let unmounter = unmounter.arg("-c").arg(UNMOUNT).arg(at).stdin(Stdio::piped());
        let unmounter = unmounter.spawn().expect("a shell");
        Ok(Self { path: at.to_owned(), unmounter })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // This closes its input first.
        let unmounted = self.unmounter.wait();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.path.display());
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.success(), || format!("{command:?}: {complaint}"))
}
