//! Names that were chosen to harm whoever looks at them.

use super::{assert_clean, serving};
use crate::support::backend::Etcd;
use crate::support::file::TargetFile;

const NAMES: [&str; 12] = [
    "<script src=x>",
    "<img src=x onerror=document.title='owned'>",
    "<td><h1>big<iframe srcdoc=x>",
    "\"double\" & 'single'",
    "javascript:alert(1)",
    "\u{202e}gnp.evil",
    "مرحبا بالعالم",
    "日本語サービス",
    "..",
    "%2e%2e",
    "a?b#c&d",
    "{{constructor}}`${1}`",
];

pub(super) async fn names_of_any_kind_are_shown_as_text(etcd: Etcd) {
    let long = "x".repeat(3000);
    let names: Vec<&str> = NAMES.into_iter().chain([&*long]).collect();
    for name in &names {
        etcd.put(&format!("/services/{name}/1"), "10.0.0.1:80").await;
        let labelled = serde_json::json!({ "address": "10.0.0.2:80", "labels": { "l": name } });
        etcd.put(&format!("/services/{name}/{name}"), labelled.to_string()).await;
        etcd.put(&format!("/services/bad/{name}"), format!("{name}:x")).await;
    }
    let file = TargetFile::new();
    let (_daemon, browser, url) = serving(&etcd, &file, &[]).await;
    file.follows(&etcd).await;
    let elements =
        "return document.querySelectorAll('img, h1, iframe, body script, [onerror]').length";
    let mut views = vec!["#/services".to_owned(), "#/quarantine".to_owned()];
    for name in &names {
        let encoded =
            browser.run(&format!("return encodeURIComponent({})", serde_json::json!(name)));
        views.push(format!("#/service/{}", encoded.as_str().unwrap()));
    }
    browser.resize(390, 844);
    browser.go(&url);
    browser.shows("#list table", "services", |text| text.contains("日本語サービス")).await;
    let shown = browser.texts("#list table").concat();
    for name in NAMES.iter().filter(|name| !name.contains('\u{202e}')) {
        assert!(shown.contains(name), "{name} is not in:\n{shown}");
    }
    assert!(shown.contains("\\u202egnp.evil"), "what turns the direction is spelt out: {shown}");
    assert!(shown.contains("3,000 characters") && !shown.contains(&long), "what is long is cut");

    for (view, width) in views.iter().flat_map(|view| [(view, 390), (view, 1280)]) {
        browser.resize(width, 844);
        browser.run(&format!("location.hash = {}", serde_json::json!(view)));
        let is_there = |text: &str| text.contains("10.0.0.1:80") || text.contains("revision");
        if view != "#/services" {
            browser.shows("#list .instances", view, is_there).await;
        }
        let too_wide = browser.run("return document.documentElement.scrollWidth - innerWidth");
        assert_eq!(too_wide, 0, "{view} scrolls sideways at {width}");
        assert_eq!(browser.run(elements), 1, "only the page's own heading is an element: {view}");
    }
    assert_eq!(browser.run("return document.title"), "etcd-sd");
    assert_clean(&browser, &url);
}
