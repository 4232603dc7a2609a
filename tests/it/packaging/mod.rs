//! The Debian package, installed on a machine of its own.
//!
//! The machine is this one's own files under another systemd, with all changes in memory: see
//! `machine.sh`. What happens on it is in `trial.sh`.

use std::fs;
use std::path::Path;

use crate::support::backend::run;
use crate::support::process::{command, program};
use crate::support::ran::{Ran, ends};
use crate::support::rights::{is_root, needs};

/// What `machine.sh` exits with where there can be none.
const UNFIT: i32 = 77;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds it of the binary under test, with as little compression as there is.
async fn build(package: &Path) -> Ran {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let mut build = command(repository().join("contrib/package"));
    build.args(["--profile", profile, "--no-build", "--quiet"]);
    build.args(["--fast", "--compress-type", "gz", "--compress-system", "--output"]).arg(package);
    ends(build, Vec::new()).await
}

#[test]
#[ignore = "needs cargo-deb and etcd: tests/run"]
fn the_package_installs_runs_upgrades_and_leaves_nothing_behind() {
    needs!(std::env::var_os("CARGO_DEB").is_some(), "no cargo-deb");
    run(async || {
        let home = tempfile::tempdir().unwrap();
        let package = home.path().join("etcd-sd.deb");
        let built = build(&package).await;
        assert_eq!(built.code, 0, "{}{}", built.stdout, built.stderr);
        needs!(is_root(), "it takes root to install a package");

        for (variable, name) in [("ETCD", "etcd"), ("ETCDCTL", "etcdctl")] {
            let mut which = command("sh");
            which.args(["-c", "command -v -- \"$0\"", &program(variable, name)]);
            let path = ends(which, Vec::new()).await.stdout;
            fs::copy(path.trim(), home.path().join(name)).unwrap();
        }
        let scripts = repository().join("tests/it/packaging");
        fs::copy(scripts.join("trial.sh"), home.path().join("trial.sh")).unwrap();
        let mut machine = command("bash");
        machine.arg(scripts.join("machine.sh")).arg(home.path());
        let ran = ends(machine, Vec::new()).await;
        needs!(ran.code != UNFIT, "no systemd can be booted here");
        let read = |name| fs::read_to_string(home.path().join(name)).unwrap_or_default();
        let said = read("said");
        assert!(said.ends_with("\nwell\n"), "{said}\n{}{}", read("console"), ran.stderr);
    });
}
