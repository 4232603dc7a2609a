//! The page of a large fleet.

use super::{A_MOMENT, assert_clean, report, seconds_until, serving};
use crate::support::backend::Etcd;
use crate::support::file::TargetFile;
use crate::support::wait::always;

pub(super) async fn ten_thousand_services_are_shown_at_once(etcd: Etcd) {
    let entries: Vec<_> = (0..10_000)
        .map(|at| {
            (format!("/services/service-{at:05}/1"), format!("10.0.{}.{}:80", at / 256, at % 256))
        })
        .collect();
    etcd.put_all(&entries).await;
    let file = TargetFile::new();
    let (_daemon, browser, url) = serving(&etcd, &file, &[]).await;
    file.follows(&etcd).await;
    browser.go(&url);
    let rows = || browser.texts("#list tbody tr").len();
    seconds_until("a page of services is shown", || rows() == 100).await;
    let seconds = "const shown = performance.getEntriesByName('first-list')[0];\
                   return shown.startTime / 1000";
    report("10,000 services are shown", browser.run(seconds).as_f64().unwrap());
    assert!(browser.texts(".sum").concat().contains("10,000 services"));

    let last = || browser.texts("#list tbody tr").concat().contains("service-09999");
    browser.press("/");
    browser.press("09999");
    report("one of 10,000 is found", seconds_until("one is found", || rows() == 1 && last()).await);
    browser.go(&format!("{url}#/services"));
    seconds_until("all are shown again", || rows() == 100).await;
    assert_eq!(browser.run("return document.getElementById('search').value"), "");
    browser.run("document.querySelector('[data-more]').click()");
    seconds_until("more are shown", || rows() == 200).await;

    // A burst neither stops the page nor loses it the list.
    etcd.put_all(&entries.iter().map(|(key, _)| (key, "10.9.9.9:80")).collect::<Vec<_>>()).await;
    browser.shows("#feed", "that there were too many", |text| text.contains("too many")).await;
    always(A_MOMENT, "the list stays", async || {
        if rows() == 200 { Ok(()) } else { Err(format!("{} rows", rows())) }
    })
    .await;
    assert_clean(&browser, &url);
}
