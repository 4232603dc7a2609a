//! `explain` says what becomes of an entry, and `presets` what there is; neither writes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::support::backend::{Etcd, on_both, run};
use crate::support::ran::{Ran, etcd_sd, etcd_sd_with};

const KEY: &str = "/services/web/1";

/// Values that are not published, and what an operator needs to hear of each.
fn hostile() -> Vec<(Vec<u8>, &'static [&'static str])> {
    let labels =
        |labels: &str| format!(r#"{{"address":"h:1","labels":{{{labels}}}}}"#).into_bytes();
    let many: Vec<_> = (0..100_000).map(|host| format!("h{host}:1")).collect();
    let many = serde_json::json!({ "targets": many }).to_string().into_bytes();
    let sixty: Vec<_> = (0..60).map(|number| format!(r#""l{number}":"a\nb""#)).collect();
    vec![
        (labels(r#""__address__":"evil:1""#), &["targets", "--allow-label __address__"]),
        (labels(r#""job":"node""#), &["\"job\"", "the service's name"]),
        (labels(r#""__param_target":"http://evil""#), &["--allow-label __param_target"]),
        (labels(r#""a":"%{PATH}""#), &["%{…}", "vmagent"]),
        (labels(&sixty.join(",")), &["60", "50", "--max-labels"]),
        (labels(r#""a.b":"c""#), &["a.b", "--utf8-labels"]),
        (many, &["targets", "and 99997 more", "--max-targets-per-key"]),
        (vec![b'x'; 10_000_000], &["10000000 bytes", "--max-value-bytes"]),
        (b"h:1\"},{\"targets\":[\"evil:1\"]".to_vec(), &["27 bytes", "auto: address"]),
        (b"{\"address\":\"h:1\n- evil:1\"}".to_vec(), &["JSON", "line 1"]),
        (b"h:1\n- evil:1".to_vec(), &["12 bytes", "auto: address"]),
        (b"h:1\n- evil".to_vec(), &["port"]),
        (b"10.0.0.\xff:80".to_vec(), &["not UTF-8"]),
        (b"http://10.0.0.1".to_vec(), &["URL"]),
        (b"".to_vec(), &["0 bytes", "empty"]),
    ]
}

/// Says why nothing becomes of it, in few lines that leave the terminal alone.
fn says(ran: &Ran, words: &[&str]) {
    let said = &ran.stdout;
    assert_eq!(ran.code, 6, "{said}{}", ran.stderr);
    assert!(said.contains("\nresult   quarantined: "), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is not in\n{said}");
    }
    assert!(said.lines().count() < 15, "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 320), "{said}");
    assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
}

#[test]
fn of_a_hostile_value_it_says_what_is_wrong_in_few_lines_and_exits_with_6() {
    run(async || {
        for (value, words) in hostile() {
            // A single argument is at most 128 KiB.
            if value.len() < 100_000 {
                let args = ["explain".into(), KEY.into(), OsString::from_vec(value.clone())];
                says(&etcd_sd(&args).await, words);
            }
            says(&etcd_sd_with(value, &["explain", KEY, "-"]).await, words);
        }
    });
}

#[test]
fn a_key_is_taken_as_its_bytes_are() {
    run(async || {
        let explain = async |key: &[u8]| {
            etcd_sd(&["explain".into(), OsString::from_vec(key.to_vec()), "h:1".into()]).await
        };
        says(&explain(b"/services/w\xffb/1").await, &["key      /services/w\u{fffd}b/1", "UTF-8"]);
        says(&explain(b"/services/%{PATH}/1").await, &["%{…}", "vmagent"]);
        says(&explain(b"/services//1").await, &["empty"]);
        let ran = explain(b"/services/w\nb\x1b\"/1").await;
        assert_eq!(ran.code, 0, "{}", ran.stdout);
        assert!(ran.stdout.contains(r#"service=w\nb\u{1b}""#), "{}", ran.stdout);
        let coded = ["explain", "--key-base64", "L3NlcnZpY2VzL3f/Yi8x", "h:1"];
        says(&etcd_sd(&coded).await, &["/services/w\u{fffd}b/1", "UTF-8"]);
        let ran = etcd_sd(&["explain", "--key-base64", "no base64", "h:1"]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains("--key-base64"), "{}", ran.stderr);
    });
}

#[test]
fn somebody_elses_key_is_ignored_and_a_good_entry_is_shown_as_it_is_published() {
    run(async || {
        for (key, word) in [("/elsewhere/1", "never seen"), ("/services/web/1/lock", "ignored")] {
            let ran = etcd_sd(&["explain", key, "h:1"]).await;
            assert_eq!(ran.code, 6);
            assert!(ran.stdout.contains(word), "{}", ran.stdout);
        }
        let ran = etcd_sd_with(b"10.0.0.1:80\n".to_vec(), &["explain", KEY, "-"]).await;
        assert_eq!(ran.code, 0);
        let group = r#"{"targets":["10.0.0.1:80"],"labels":{"job":"web"}}"#;
        assert!(ran.stdout.contains(group), "{}", ran.stdout);
    });
}

async fn an_entry_in_etcd_is_explained(etcd: Etcd) {
    etcd.put("/env/prod/svc/web/1", "10.0.0.1:80").await;
    let pattern = "/env/{env}/svc/{service}/{instance}";
    let explain = async |key: &str| {
        let args = ["explain", key, "--server", etcd.endpoint(), "--key-pattern", pattern];
        etcd_sd(&args).await
    };
    let ran = explain("/env/prod/svc/web/1").await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let group = r#"{"targets":["10.0.0.1:80"],"labels":{"job":"web","env":"prod"}}"#;
    assert!(ran.stdout.contains(group), "{}", ran.stdout);
    assert!(ran.stdout.lines().count() < 15, "{}", ran.stdout);
    let ran = explain("/env/prod/svc/web/2").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("/env/prod/svc/web/2"), "{}", ran.stderr);
}

async fn a_hostile_entry_in_etcd_is_explained(etcd: Etcd) {
    let server = etcd.endpoint().to_owned();
    for (value, words) in hostile() {
        if value.len() < 1_000_000 {
            etcd.put(KEY, value).await;
            says(&etcd_sd(&["explain", KEY, "--server", &server]).await, words);
        }
    }
    let key = b"/services/w\xffb/\n1";
    etcd.client().put(&key[..], "10.0.0.1:80", None).await.unwrap();
    let args = ["explain".into(), OsString::from_vec(key.to_vec()), "--server".into()];
    let ran = etcd_sd(&[&args[..], &[server.into()]].concat()).await;
    says(&ran, &["key      /services/w\u{fffd}b/\\n1", "UTF-8"]);
}

on_both!(an_entry_in_etcd_is_explained, a_hostile_entry_in_etcd_is_explained);

/// Where etcd's operator lets it take more than the 1.5 MiB of a request by default.
mod large {
    use super::{Etcd, KEY, etcd_sd, hostile, says};
    use crate::support::backend::with_own_etcd;
    use crate::support::etcd::{Access, RealEtcd, Sync};

    async fn ten_megabytes_in_etcd_are_explained() {
        let etcd = vec!["--max-request-bytes=32000000".to_owned()];
        let etcd = RealEtcd::start_with(Sync::Never, Access { etcd, ..Access::default() }).await;
        let etcd = Etcd::of(etcd).await;
        for (value, words) in hostile() {
            etcd.put(KEY, value).await;
            says(&etcd_sd(&["explain", KEY, "--server", etcd.endpoint()]).await, words);
        }
        let ran = etcd_sd(&["check", "--server", etcd.endpoint()]).await;
        assert_eq!(ran.code, 6, "{}", ran.stderr);
    }

    with_own_etcd!(ten_megabytes_in_etcd_are_explained);
}

#[test]
fn presets_are_listed_with_an_example() {
    run(async || {
        let ran = etcd_sd(&["presets"]).await;
        assert_eq!(ran.code, 0);
        for name in ["kratos", "skydns (also coredns)", "patroni", "go-micro"] {
            assert!(ran.stdout.contains(&format!("\n{name}: ")), "{name}: {}", ran.stdout);
        }
    });
}
