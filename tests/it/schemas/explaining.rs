//! `explain` says what becomes of an entry, and `presets` what there is; neither writes.

use std::process::{Command, Output};

use crate::support::backend::{Etcd, on_both};

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_etcd-sd")).args(args).output();
    let Output { status, stdout, stderr } = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

async fn an_entry_in_etcd_is_explained(etcd: Etcd) {
    etcd.put("/env/prod/svc/web/1", "10.0.0.1:80").await;
    let server = etcd.endpoint().to_owned();
    let explain = move |key: &'static str| {
        let server = server.clone();
        async move {
            let pattern = "/env/{env}/svc/{service}/{instance}";
            let args = ["explain", key, "--server", &server, "--key-pattern", pattern];
            let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
            // The embedded registry runs beside it.
            tokio::task::spawn_blocking(move || {
                run(&args.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .await
            .unwrap()
        }
    };
    let (code, said, _) = explain("/env/prod/svc/web/1").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(r#"{"targets":["10.0.0.1:80"],"labels":{"job":"web","env":"prod"}}"#));
    assert!(said.lines().count() < 15, "{said}");
    let (code, said, error) = explain("/env/prod/svc/web/2").await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(error.contains("/env/prod/svc/web/2"), "{error}");
}

on_both!(an_entry_in_etcd_is_explained);

#[test]
fn a_value_on_the_command_line_needs_no_etcd_and_a_bad_one_exits_with_6() {
    let (code, said, _) = run(&["explain", "/services/web/1", "http://10.0.0.1"]);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("quarantined") && said.contains("URL"), "{said}");
    let (code, said, _) = run(&["explain", "/services/web/1", "10.0.0.1:80"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn presets_are_listed_with_an_example() {
    let (code, said, _) = run(&["presets"]);
    assert_eq!(code, Some(0));
    for name in ["kratos", "skydns (also coredns)", "patroni", "go-micro"] {
        assert!(said.contains(&format!("\n{name}: ")), "{name} is not in {said}");
    }
}
