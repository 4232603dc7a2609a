use clap::{CommandFactory, Parser};

use super::*;

fn parse(arguments: &[&str]) -> Result<Config, String> {
    let arguments = std::iter::once("etcd-sd").chain(arguments.iter().copied());
    let args = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
    args.config().map_err(|error| error.to_string())
}

#[test]
fn the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn without_arguments_the_documented_defaults_hold() {
    let config = parse(&[]).expect("valid");
    assert_eq!(config.servers, [Server::parse("http://127.0.0.1:2379").expect("a server")]);
    assert_eq!(config.prefix.as_str(), "/services/");
    assert_eq!(config.target_file.path(), std::path::Path::new("tgroups.json"));
    assert_eq!(config.once, None);
}

#[test]
fn servers_may_be_repeated_and_separated_by_commas() {
    let config = parse(&["--server", "a,b:1", "--endpoints", "http://c"]).expect("valid");
    let urls: Vec<_> = config.servers.iter().map(Server::as_str).collect();
    assert_eq!(urls, ["http://a:2379", "http://b:1", "http://c:2379"]);
}

#[test]
fn empty_parts_of_a_list_of_servers_are_passed_over() {
    let config = parse(&["--server", "a,,b,"]).expect("valid");
    assert_eq!(config.servers.len(), 2);
    assert!(parse(&["--server", ","]).expect_err("refused").contains("--server"));
}

#[test]
fn the_ceiling_follows_the_debounce_unless_it_is_given() {
    let ceiling = |arguments: &[&str]| {
        let mut debounce = parse(arguments).expect("valid").debounce;
        let start = std::time::Instant::now();
        let mut now = start;
        while debounce.due().is_none_or(|due| due > now) {
            debounce.changed(now);
            now += Duration::from_millis(50);
        }
        now - start
    };
    assert_eq!(ceiling(&["--debounce", "100ms"]), Duration::from_secs(2));
    assert_eq!(ceiling(&["--debounce", "1s"]), Duration::from_secs(4));
    assert_eq!(ceiling(&["--debounce-max", "500ms"]), Duration::from_millis(500));
    assert_eq!(parse(&["--debounce", "0"]).expect("valid").debounce.due(), None);
}

#[test]
fn nonsense_is_refused_with_the_input_the_reason_and_what_to_do() {
    for (arguments, needles) in [
        (&["--debounce", "5s", "--debounce-max", "1s"][..], &["5s", "1s", "raise"][..]),
        (&["--debounce-max", "100ms"], &["100ms", "200ms"]),
        (&["--debounce", "fast"], &["'fast'", "250ms"]),
        (&["--drift-interval", "0"], &["--drift-interval", "100ms"]),
        (&["--debounce", "3000000000000000000s"], &["longer than a day", "250ms"]),
        (&["--prefix", " /services"], &["white space"]),
        (&["--prefix", ""], &["--prefix", "empty", "/services"]),
        (&["--server", "http:/x"], &["http:/x", "http://"]),
        (&["--server", "ftp://x"], &["ftp://x", "scheme"]),
        (&["--target-file", "a.conf"], &["a.conf", ".json"]),
        (&["--target-file", "/nowhere/a.json"], &["/nowhere/a.json", "create it"]),
        (&["--target-file", "/"], &["/", "not a file name"]),
        (&["--target-file", "/etc"], &["/etc", "directory"]),
    ] {
        let error = parse(arguments).expect_err("refused");
        for needle in needles {
            assert!(error.contains(needle), "{arguments:?}: {needle} is not in: {error}");
        }
    }
}

#[test]
fn the_defaults_notice_a_dead_member_well_within_fifteen_seconds() {
    let patience = parse(&[]).expect("valid").connector.patience();
    assert_eq!(patience, Patience::default());
    assert!(patience.idle + patience.answer + patience.dial < Duration::from_secs(15));
}
