//! What stands in `contrib/`, beside the program that it is for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::backend::run;
use crate::support::process::command;
use crate::support::ran::{ends, etcd_sd};
use crate::support::rights::needs;

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(name)
}

fn is_installed(program: &str, version: &str) -> bool {
    Command::new(program).arg(version).output().is_ok_and(|output| output.status.success())
}

/// Of each variable that `--help` names its default, if it has one that could be typed.
async fn variables() -> BTreeMap<String, Option<String>> {
    let help = etcd_sd(&["--help"]).await.stdout;
    let mut variables = BTreeMap::new();
    let mut latest = String::new();
    for line in help.lines().map(str::trim) {
        let inside = |what| line.strip_prefix(what)?.strip_suffix(']');
        if let Some(variable) = inside("[env: ") {
            variable.trim_end_matches('=').clone_into(&mut latest);
            variables.insert(latest.clone(), None);
        } else if let Some(default) = inside("[default: ").filter(|text| !text.contains(' ')) {
            variables.insert(latest.clone(), Some(default.to_owned()));
        }
    }
    variables
}

#[test]
fn the_environment_file_has_every_flags_variable_with_its_default_and_no_other() {
    // What the unit sets itself; what ends the program, which is nothing for a service.
    const OF_THE_UNIT: &str = "ETCD_SD_TARGET_FILE";
    const ONE_RUN: [&str; 2] = ["ETCD_SD_ONCE", "ETCD_SD_TIMEOUT"];
    run(async || {
        let text = fs::read_to_string(contrib("systemd/etcd-sd.env")).unwrap();
        let given: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#ETCD_SD_")?.split_once('='))
            .collect();
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
        assert_eq!(text.matches("\n#ETCD_SD_").count(), given.len(), "one is given twice: {text}");
        let mut variables = variables().await;
        assert!(variables.len() > 40, "{variables:?}");
        for one in ONE_RUN {
            variables.remove(one).expect(one);
        }
        for (variable, default) in &variables {
            let value = given.get(variable.trim_start_matches("ETCD_SD_"));
            let value = value.unwrap_or_else(|| {
                panic!("write #{variable}= with its default into contrib/systemd/etcd-sd.env")
            });
            if let Some(default) = default.as_ref().filter(|_| variable != OF_THE_UNIT) {
                assert_eq!(value, default, "the default of {variable}");
            }
        }
        for variable in given.keys().map(|name| format!("ETCD_SD_{name}")) {
            assert!(variables.contains_key(&variable), "nobody reads {variable}");
        }
    });
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_little_exposed() {
    needs!(is_installed("systemd-analyze", "--version"), "no systemd-analyze");
    for unit in ["etcd-sd.service", "etcd-sd@.service"] {
        let home = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(contrib("systemd").join(unit)).unwrap();
        // What is to be installed is not, where the tests run.
        let text = text.replace("/usr/bin/etcd-sd", env!("CARGO_BIN_EXE_etcd-sd"));
        let lines = text.lines().filter(|line| !line.starts_with("Documentation="));
        fs::write(home.path().join(unit), lines.collect::<Vec<_>>().join("\n")).unwrap();
        let unit = home.path().join(unit.replace('@', "@blue"));
        // An instance is found by the path of the units.
        let verify = |arguments: &[&str]| {
            let mut analyze = command("systemd-analyze");
            analyze.env("SYSTEMD_UNIT_PATH", format!("{}:", home.path().display()));
            let output = analyze.args(arguments).arg(&unit).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8(said).unwrap())
        };
        assert_eq!(verify(&["verify"]), (true, String::new()), "{}", unit.display());
        let security = ["security", "--offline=true", "--no-pager", "--threshold=15"];
        let (is_below, said) = verify(&security);
        // An older systemd can judge only what runs.
        assert!(is_below || said.contains("--offline"), "{said}");
    }
}

#[test]
fn every_manual_page_is_set_without_a_warning() {
    needs!(is_installed("groff", "--version"), "no groff");
    run(async || {
        let help = etcd_sd(&["--help"]).await.stdout;
        let commands = help.split_once("\nCommands:\n").unwrap().1.split_once("\n\n").unwrap().0;
        // Long descriptions go on in lines that are set in further.
        let commands =
            commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let commands = commands.filter(|name| !name.is_empty());
        for page in commands.map(|name| if name == "help" { None } else { Some(name) }) {
            let arguments: Vec<&str> = ["manual"].into_iter().chain(page).collect();
            let page = etcd_sd(&arguments).await;
            assert_eq!(page.code, 0, "{}", page.stderr);
            let mut groff = command("groff");
            groff.args(["-man", "-Tutf8", "-ww", "-rF0"]);
            let set = ends(groff, page.stdout.into_bytes()).await;
            assert_eq!((set.code, &*set.stderr), (0, ""), "{arguments:?}");
            assert!(set.stdout.contains("operating.md"), "{}", set.stdout);
        }
    });
}

#[test]
fn bash_completes_flags_commands_and_values() {
    needs!(is_installed("bash", "--version"), "no bash");
    run(async || {
        let script = etcd_sd(&["completions", "bash"]).await;
        assert_eq!(script.code, 0, "{}", script.stderr);
        for (words, expected) in [
            (&["--target-f"][..], "--target-file"),
            (&["--guard-"], "--guard-ratio --guard-min --guard-hold"),
            (&["pres"], "presets"),
            (&["diff", "--target-d"], "--target-dir"),
            (&["--log-format", "js"], "json"),
        ] {
            let (last, before) = words.split_last().unwrap();
            let asking = format!(
                "\nCOMP_WORDS=(etcd-sd {words}); COMP_CWORD={count}\n\
                 _etcd__sd etcd-sd {last} {previous}; echo ${{COMPREPLY[@]}}\n",
                words = words.join(" "),
                count = words.len(),
                previous = before.last().unwrap_or(&"etcd-sd"),
            );
            let mut bash = command("bash");
            bash.args(["--norc", "--noprofile", "-s"]);
            let completed = ends(bash, (script.stdout.clone() + &asking).into_bytes()).await;
            assert_eq!((completed.stdout.trim(), &*completed.stderr), (expected, ""), "{words:?}");
        }
    });
}

/// What each line of the log says, from the code of the daemon: the text of each macro that
/// writes one.
fn messages(code: &str) -> Vec<String> {
    let macros = ["info!(", "warn!(", "error!("];
    let starts = macros.iter().flat_map(|name| code.match_indices(name));
    let calls = starts.map(|(at, name)| &code[at + name.len()..]);
    calls.filter_map(|call| call.split(";\n").next()?.rsplit('"').nth(1).map(joined)).collect()
}

/// A text without the breaks of its lines in the code.
fn joined(text: &str) -> String {
    text.split("\\\n").map(str::trim_start).collect()
}

#[test]
fn every_line_of_the_log_is_explained_to_operators() {
    let guide = fs::read_to_string(contrib("../docs/operating.md")).unwrap();
    let mut folders = vec![contrib("../src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|ending| ending != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for message in messages(text.split("#[cfg(test)]").next().unwrap()) {
                // The page leaves out what differs from time to time, and the ends of long ones.
                let mut parts = message.split(['{', '}', ';', ':', ',']).map(str::trim);
                let Some(fixed) = parts.find(|part| part.contains(' ') || *part == message) else {
                    continue;
                };
                let is_explained = guide.contains(fixed);
                assert!(is_explained, "docs/operating.md lacks {message:?} of {}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen} lines only: does the search still find them?");
}
