//! The status page, in a headless Chromium.

mod hostile;
mod large;
mod troubles;

use std::time::{Duration, Instant};

use crate::support::backend::Etcd;
use crate::support::browser::Browser;
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::http;
use crate::support::wait::{SOON, ensure, eventually};
use hostile::names_of_any_kind_are_shown_as_text;
use large::ten_thousand_services_are_shown_at_once;
use troubles::etcd_that_is_away_and_removals_that_are_held_are_said_with_what_to_do;

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// As promised, in seconds, and how much of it a busy machine may take: the figure is printed.
const WITHIN: f64 = 1.0;
const ON_A_BUSY_MACHINE: f64 = 5.0;

/// Texts with a contrast of less than 4.5 to 1 on what they stand on.
const FAINT: &str = r"
    const channels = (color) => color.match(/[\d.]+/g).map(Number);
    const luminance = (color) => {
        const [r, g, b] = channels(color).slice(0, 3).map((one) => one / 255)
            .map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (channels(color)[3] !== 0) return color;
        }
    };
    const faint = new Set();
    for (const element of document.querySelectorAll('body *')) {
        const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!hasText || !element.checkVisibility() || element.closest('.new, .skip, noscript')) continue;
        const [one, other] = [getComputedStyle(element).color, ground(element)].map(luminance);
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < 4.5) faint.add(`${contrast.toFixed(2)} ${element.className} ${element.innerText}`);
    }
    return [...faint];
";

/// For a page to come to rest.
const A_MOMENT: Duration = Duration::from_secs(1);

const LISTEN: [&str; 4] = ["--listen", "127.0.0.1:0", "--debounce", "50ms"];

/// A daemon that serves its page, a browser, and the page's address.
async fn serving(etcd: &Etcd, file: &TargetFile, more: &[&str]) -> (Daemon, Browser, String) {
    let daemon = Daemon::start(etcd, file, &[&LISTEN[..], more].concat());
    let url = format!("http://{}/", daemon.wait_for_log("listening").await.text("address"));
    (daemon, Browser::start().await, url)
}

/// Nothing went wrong in the page, and it asked nobody but its daemon.
fn assert_clean(browser: &Browser, url: &str) {
    assert_eq!(browser.console(), Vec::<String>::new(), "the console");
    let requests = browser.requests();
    assert!(requests.len() > 5, "{requests:?}");
    let foreign: Vec<_> = requests.iter().filter(|request| !request.starts_with(url)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

/// How long something took, for whoever reads the test's output.
fn report(what: &str, seconds: f64) {
    eprintln!("{what}: {seconds:.3} s, promised within {WITHIN} s");
    assert!(seconds < ON_A_BUSY_MACHINE, "{what} took {seconds} s");
}

/// How long it takes until a condition holds, looked at as often as can be.
async fn seconds_until(what: &str, holds: impl Fn() -> bool) -> f64 {
    let start = Instant::now();
    eventually(SOON, what, async || ensure(holds(), || "not yet".to_owned())).await;
    start.elapsed().as_secs_f64()
}

async fn the_page_shows_chain_services_instances_quarantine_and_changes_as_they_come(etcd: Etcd) {
    for service in ["api", "billing", "web"] {
        for at in 1..=3 {
            etcd.put(&format!("/services/{service}/{at}"), format!("10.0.0.{at}:80")).await;
        }
    }
    etcd.put("/services/web/4", "no address").await;
    let labelled = r#"{"address":"10.0.0.5:80","labels":{"env":"prod"}}"#;
    etcd.put("/services/web/5", labelled).await;
    let file = TargetFile::new();
    let (_daemon, browser, url) = serving(&etcd, &file, &["--expose-values"]).await;
    file.follows(&etcd).await;
    browser.go(&url);

    // The chain, each part with its state in words.
    browser.shows("#verdict", "that all is well", |text| text.contains("Ready")).await;
    let chain = browser.texts(".card").join("\n");
    for word in ["Watching", "1 held out", "Current", "In place", "targets.json", "10"] {
        assert!(chain.contains(word), "{word} is not in the chain:\n{chain}");
    }

    // Services, and a search for one, all by keyboard.
    let list = browser.shows("#list table", "services", |text| text.contains("web")).await;
    assert!(list.contains("api") && list.contains("billing"), "{list}");
    browser.press("/");
    browser.press("WE");
    let found = |text: &str| text.contains("web") && !text.contains("billing");
    browser.shows("#list table", "what was searched for", found).await;
    assert_eq!(browser.run("return location.hash"), "#/services?search=WE");
    browser.press(&format!("{TAB}"));
    assert_eq!(browser.run("return document.activeElement.innerText"), "web");
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.run(outline), "solid", "where the focus is can be seen");
    browser.press(&format!("{ENTER}"));

    // One service.
    let all = |text: &str| text.contains("/services/web/5");
    let instances = browser.shows(".instances", "its instances", all).await;
    for word in ["10.0.0.1:80", "env=prod", "Quarantined", "revision 11", "no target"] {
        assert!(instances.contains(word), "{word} is not in:\n{instances}");
    }
    assert_eq!(browser.run("return location.hash"), "#/service/web");
    browser.run("document.querySelector('[data-keep=\"/services/web/4\"] summary').click()");
    let value = "[data-keep='/services/web/4'] pre";
    browser.shows(value, "what etcd holds", |text| text == "no address").await;

    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let faint = browser.run(FAINT);
        assert_eq!(faint, serde_json::json!([]), "can't be read easily, {scheme}");
    }

    // A put, and a deletion.
    etcd.put("/services/web/6", "10.0.0.66:80").await;
    let is_shown = || browser.texts(".instances").join("").contains("10.0.0.66:80");
    report("a put is shown", seconds_until("a put is shown", is_shown).await);
    browser.shows(".change", "the change", |text| text.contains("10.0.0.66:80")).await;
    let value_stays = browser.texts(value);
    assert_eq!(value_stays, ["no address"], "what was opened stays open");
    etcd.delete("/services/web/6").await;
    let is_gone = || !browser.texts(".instances").join("").contains("10.0.0.66:80");
    report("a deletion is shown", seconds_until("a deletion is shown", is_gone).await);

    // The quarantine, and a link that somebody was sent.
    browser.go(&format!("{url}#/quarantine"));
    let reason = |text: &str| text.contains("/services/web/4");
    browser.shows(".instances", "what is held out", reason).await;
    browser.go("about:blank");
    browser.go(&format!("{url}#/service/web?search=prod"));
    browser.shows(".sum", "nothing: labels are not searched", |text| text.starts_with('0')).await;
    browser.shows(".changes .change", "changes from before", |text| text.contains("web")).await;

    // Behind other tabs it asks now and then, and in front again it hears of changes.
    for (port, is_hidden) in [(67, "true"), (68, "false")] {
        let hide = "Object.defineProperty(document, 'hidden', { value: IS, configurable: true }); \
                    document.dispatchEvent(new Event('visibilitychange'))";
        browser.run(&hide.replace("IS", is_hidden));
        let address = format!("10.0.0.{port}:80");
        etcd.put("/services/web/6", &*address).await;
        browser.shows("#feed", "a change", |text| text.contains(&address)).await;
    }
    assert_clean(&browser, &url);
}

async fn the_page_is_served_to_whoever_has_the_token_and_nobody_else(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let token = file.directory().join("token");
    std::fs::write(&token, "hunter2\n").unwrap();
    let more = ["--listen-token-file", token.to_str().unwrap()];
    let (_daemon, browser, url) = serving(&etcd, &file, &more).await;
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    for path in ["/", "/static/app.js", "/api/v1/status", "/api/v1/events", "/?token=hunter2"] {
        let refused = http::get(address, path).await.unwrap_err();
        assert!(refused.contains("401"), "{path}: {refused}");
    }
    // As whoever is asked by the browser for name and password gives them.
    browser.go(&url.replace("http://", "http://anybody:hunter2@"));
    browser.shows("#verdict", "that all is well", |text| text.contains("Ready")).await;
    browser.shows("#list table", "services", |text| text.contains("web")).await;
    browser.shows("#live", "that it hears of changes", |text| text.contains("live")).await;
    assert_eq!(browser.console(), Vec::<String>::new());
}

macro_rules! in_chromium {
    ($($test:ident),+ $(,)?) => {
        mod chromium {
            use crate::support::{backend, browser};
            $(
                #[test]
                #[ignore = "needs chromium: tests/run"]
                fn $test() {
                    if browser::is_here() {
                        backend::run_embedded(super::$test);
                    }
                }
            )+
        }
    };
}

in_chromium!(
    the_page_shows_chain_services_instances_quarantine_and_changes_as_they_come,
    the_page_is_served_to_whoever_has_the_token_and_nobody_else,
    names_of_any_kind_are_shown_as_text,
    etcd_that_is_away_and_removals_that_are_held_are_said_with_what_to_do,
    ten_thousand_services_are_shown_at_once,
);
