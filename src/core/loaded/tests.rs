use super::*;

const PATH: &str = "/etc/prometheus/t.json";

fn file(modified: u64) -> Own {
    files(&[(PATH, modified)])
}

fn files(files: &[(&str, u64)]) -> Own {
    let version = |&(path, of): &(&str, u64)| Version { path: path.into(), since: of, until: of };
    Own::Files(files.iter().map(version).collect())
}

fn seen(files: &[(&str, u64)], read_errors: u64) -> Seen {
    let files = files.iter().map(|&(path, of)| (path.to_owned(), of)).collect();
    Seen { files, read_errors, ..Seen::default() }
}

/// A second, what is published then, what is seen or why nothing is, and what that means.
type Step<'s> = (u64, Option<Own>, Result<Seen, &'s str>, &'s str);

fn check(steps: &[Step<'_>]) {
    let start = Instant::now();
    let mut judge = Judge::new(start);
    let mut last = "not_yet";
    for (second, own, seen, expected) in steps {
        let now = start + Duration::from_secs(*second);
        let seen = seen.as_ref().map_err(|reason| (*reason).to_owned());
        let is_news = judge.judge(own.clone(), seen, now);
        assert_eq!(judge.state().name(), *expected, "at {second}: {:?}", judge.state());
        assert_eq!(is_news, last != *expected, "at {second}");
        last = expected;
    }
}

#[test]
fn a_file_is_loaded_once_prometheus_has_its_version_wherever_it_sees_it() {
    check(&[
        (0, None, Ok(seen(&[], 0)), "not_yet"),
        (1, Some(file(100)), Ok(seen(&[], 0)), "not_yet"),
        (2, Some(file(100)), Ok(seen(&[(PATH, 100)], 0)), "loaded"),
        (3, Some(file(103)), Ok(seen(&[(PATH, 100)], 0)), "not_yet"),
        (
            4,
            Some(file(103)),
            Ok(seen(&[("/elsewhere/t.json", 103), ("/x/t.json", 7)], 0)),
            "loaded",
        ),
    ]);
}

#[test]
fn a_path_that_prometheus_does_not_read_is_found_after_a_while() {
    let other = || seen(&[("/etc/prometheus/other.json", 100)], 0);
    check(&[
        (0, Some(file(100)), Ok(other()), "not_yet"),
        (9, Some(file(100)), Ok(other()), "not_yet"),
        (10, Some(file(100)), Ok(other()), "wrong_path"),
        (60, Some(file(100)), Ok(other()), "wrong_path"),
        (61, Some(file(100)), Ok(seen(&[(PATH, 100)], 0)), "loaded"),
    ]);
}

#[test]
fn the_files_of_a_directory_are_loaded_once_all_of_them_are() {
    let own = |a, b| Some(files(&[("/t/a.json", a), ("/t/b.json", b)]));
    let there = |a, b| Ok(seen(&[("/x/a.json", a), ("/x/b.json", b), ("/x/gone.json", 1)], 0));
    check(&[
        (0, Some(files(&[])), Ok(seen(&[], 0)), "loaded"),
        (1, own(100, 100), Ok(seen(&[("/x/a.json", 100)], 0)), "not_yet"),
        (20, own(100, 100), Ok(seen(&[("/x/a.json", 100)], 0)), "wrong_path"),
        (21, own(100, 100), there(100, 100), "loaded"),
        (22, own(100, 105), there(100, 100), "not_yet"),
        (40, own(100, 105), there(100, 100), "stale"),
        (41, own(100, 105), there(100, 105), "loaded"),
    ]);
}

#[test]
fn what_is_written_while_prometheus_is_asked_may_be_loaded_already() {
    let own = Own::Files(vec![Version { path: PATH.into(), since: 100, until: 102 }]);
    for (of, expected) in
        [(99, "not_yet"), (100, "loaded"), (101, "loaded"), (102, "loaded"), (103, "not_yet")]
    {
        check(&[(0, Some(own.clone()), Ok(seen(&[(PATH, of)], 0)), expected)]);
    }
}

#[test]
fn what_prometheus_reads_is_known_by_its_name() {
    let seen = seen(&[("/x/a.json", 7)], 0);
    for (path, is_read) in [("/t/a.json", true), ("/t/b.json", false)] {
        assert_eq!(files(&[(path, 1)]).is_read(&seen), is_read, "{path}");
    }
    assert!(!files(&[]).is_read(&seen));
}

#[test]
fn errors_that_grow_mean_that_the_file_cant_be_read_and_older_ones_do_not() {
    check(&[
        (0, Some(file(100)), Ok(seen(&[(PATH, 100)], 5)), "loaded"),
        (1, Some(file(101)), Ok(seen(&[(PATH, 100)], 5)), "not_yet"),
        (20, Some(file(101)), Ok(seen(&[(PATH, 100)], 5)), "stale"),
        (21, Some(file(101)), Ok(seen(&[(PATH, 100)], 6)), "unreadable"),
        (22, Some(file(101)), Ok(seen(&[(PATH, 101)], 6)), "loaded"),
        (23, Some(file(110)), Ok(seen(&[(PATH, 101)], 6)), "not_yet"),
        (40, Some(file(110)), Ok(seen(&[(PATH, 101)], 6)), "stale"),
    ]);
    // One that was never read, and errors from before it was asked.
    check(&[
        (0, Some(file(100)), Ok(seen(&[], 2)), "not_yet"),
        (20, Some(file(100)), Ok(seen(&[], 2)), "unreadable"),
    ]);
}

#[test]
fn a_prometheus_that_cant_be_asked_is_nothing_worse() {
    check(&[
        (0, Some(file(100)), Err("refused"), "unreachable"),
        (5, Some(file(100)), Err("timed out"), "unreachable"),
        (6, Some(file(100)), Ok(seen(&[(PATH, 100)], 0)), "loaded"),
    ]);
}

#[test]
fn a_prometheus_that_starts_has_time_to_read_everything_again() {
    let starting = || Seen { is_starting: true, ..Seen::default() };
    check(&[
        (0, Some(file(100)), Ok(seen(&[(PATH, 100)], 5)), "loaded"),
        (5, Some(file(100)), Err("refused"), "unreachable"),
        (10, Some(file(100)), Ok(starting()), "not_yet"),
        (300, Some(file(100)), Ok(starting()), "not_yet"),
        (305, Some(file(100)), Ok(seen(&[], 0)), "not_yet"),
        (310, Some(file(100)), Ok(seen(&[(PATH, 100)], 0)), "loaded"),
    ]);
    check(&[
        (0, Some(file(100)), Ok(seen(&[(PATH, 100)], 5)), "loaded"),
        (5, Some(file(100)), Err("refused"), "unreachable"),
        (600, Some(file(100)), Ok(seen(&[], 0)), "not_yet"),
        (609, Some(file(100)), Ok(seen(&[], 1)), "not_yet"),
        (610, Some(file(100)), Ok(seen(&[], 1)), "unreadable"),
    ]);
}

#[test]
fn a_file_that_is_written_all_the_time_and_never_loaded_is_found_as_well() {
    let other = || seen(&[("/etc/prometheus/other.json", 100)], 0);
    check(&[
        (0, Some(file(100)), Ok(other()), "not_yet"),
        (5, Some(file(105)), Ok(other()), "not_yet"),
        (10, Some(file(110)), Ok(other()), "wrong_path"),
        (15, Some(file(115)), Ok(seen(&[(PATH, 115)], 0)), "loaded"),
        (20, Some(file(120)), Ok(seen(&[(PATH, 115)], 0)), "not_yet"),
        (21, Some(file(121)), Ok(seen(&[(PATH, 121)], 0)), "loaded"),
    ]);
}

#[test]
fn by_http_what_was_published_shortly_before_is_loaded_too() {
    let http = |number, targets| Some(Own::Http { number, targets });
    let has = |targets| Ok(Seen { discovered: vec![targets], ..Seen::default() });
    check(&[
        (0, http(1, 10), has(10), "loaded"),
        // Prometheus asks once a minute, and the number changes all the time.
        (20, http(2, 14), has(10), "loaded"),
        (40, http(3, 12), has(10), "loaded"),
        (60, http(4, 15), has(13), "loaded"),
        (300, http(5, 16), has(16), "loaded"),
        (301, http(6, 20), has(16), "loaded"),
        (449, http(6, 20), has(16), "loaded"),
        (451, http(6, 20), has(16), "other_targets"),
    ]);
    let now = Instant::now();
    let mut judge = Judge::new(now);
    for (own, seen, until) in [
        (http(1, 3), has(4), None),
        (http(1, 3), has(3), Some(now)),
        (http(2, 4), has(3), now.checked_sub(REFRESH)),
    ] {
        judge.judge(own, seen.as_ref().map_err(|reason: &&str| (*reason).to_owned()), now);
        assert_eq!(judge.loaded_until(now), until);
    }
}

#[test]
fn by_http_the_number_of_targets_tells() {
    let http = |number| Own::Http { number, targets: 3 };
    let seen = |targets: &[usize], http_failures| Seen {
        discovered: targets.to_vec(),
        http_failures,
        ..Seen::default()
    };
    check(&[
        (0, Some(http(1)), Ok(seen(&[1, 0], 0)), "not_yet"),
        (60, Some(http(1)), Ok(seen(&[1, 3], 0)), "loaded"),
        (61, Some(http(2)), Ok(seen(&[1, 2], 0)), "not_yet"),
        (300, Some(http(2)), Ok(seen(&[1, 2], 0)), "other_targets"),
        (301, Some(http(2)), Ok(seen(&[1, 2], 1)), "unreadable"),
    ]);
}
