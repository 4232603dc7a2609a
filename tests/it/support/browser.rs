//! A headless Chromium, from `$CHROMIUM` and `$CHROMEDRIVER` or the PATH, driven by the JSON of
//! the `WebDriver` protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::ports::free_port;
use super::process::{Process, command, program};
use super::wait::{SOON, eventually};

/// For one command: a page that never finishes must not hang its test.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Browser {
    address: String,
    session: String,
    _driver: Process,
    _home: TempDir,
}

/// Whether there is one; else whoever needs it is skipped, and says so.
pub(crate) fn is_here() -> bool {
    let is_there = [program("CHROMEDRIVER", "chromedriver"), binary()].iter().all(|program| {
        let mut version = command(program);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    });
    if !is_there {
        eprintln!("skipped: no Chromium with its chromedriver; see tests/run");
    }
    is_there
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut driver = command(program("CHROMEDRIVER", "chromedriver"));
        driver.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = Process::spawn("chromedriver", &mut driver);
        let address = format!("127.0.0.1:{port}");
        eventually(SOON, "chromedriver serves", async || {
            let status = send(&address, "GET", "/status", None)?;
            if status["ready"] == json!(true) { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
        let mut arguments = vec![format!("--user-data-dir={}", home.path().display())];
        for argument in [
            "headless=new",
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "disable-dev-shm-usage",
            "hide-scrollbars",
        ] {
            arguments.push(format!("--{argument}"));
        }
        if rustix::process::geteuid().is_root() {
            arguments.push("--no-sandbox".to_owned());
        }
        let options = json!({ "binary": binary(), "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = send(&address, "POST", "/session", Some(&wanted)).unwrap();
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        Self { address, session, _driver: driver, _home: home }
    }

    /// Loads a page, and waits until it has.
    pub(crate) fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// What a script returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What all elements show that this selects, as a person reads it.
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let selector = json!(selector);
        let script = format!(
            "return [...document.querySelectorAll({selector})].map((one) => one.innerText)"
        );
        serde_json::from_value(self.run(&script)).unwrap()
    }

    /// Waits until the first of them shows what `is_right` takes.
    pub(crate) async fn shows(
        &self,
        selector: &str,
        what: &str,
        is_right: impl Fn(&str) -> bool,
    ) -> String {
        eventually(SOON, &format!("{selector} shows {what}"), async || {
            let texts = self.texts(selector);
            let shown = texts.first().ok_or_else(|| format!("{selector} is not there"))?;
            if is_right(shown) { Ok(shown.clone()) } else { Err(shown.clone()) }
        })
        .await
    }

    /// Presses these keys, one after the other, with the focus where it is.
    pub(crate) fn press(&self, keys: &str) {
        let actions = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|act| json!({ "type": act, "value": key.to_string() }))
        });
        let actions: Vec<_> = actions.collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("actions", &json!({ "actions": [keyboard] }));
    }

    /// Has the window be so wide and high, as a phone's if it is narrow.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600
            }),
        );
    }

    /// Has the user prefer `light` or `dark`.
    pub(crate) fn prefer(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
    }

    /// What the console has had to say since this was asked last.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().expect("entries of the log");
        entries.iter().map(ToString::to_string).collect()
    }

    /// All that the page has asked for, but itself.
    pub(crate) fn requests(&self) -> Vec<String> {
        let script = "return performance.getEntriesByType('resource').map((one) => one.name)";
        serde_json::from_value(self.run(script)).unwrap()
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        let answer = send(&self.address, "POST", &path, Some(body));
        answer.unwrap_or_else(|why| panic!("{command}: {why}"))
    }
}

impl Drop for Browser {
    /// Chromedriver takes Chromium with it only when it is asked to.
    fn drop(&mut self) {
        let _ = send(&self.address, "DELETE", &format!("/session/{}", self.session), None);
    }
}

fn binary() -> String {
    // Chromedriver wants a path, or looks for other names.
    program("CHROMIUM", "/usr/bin/chromium")
}

/// Sends a command, and returns the value that is answered.
fn send(address: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
    let exchange = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        // It keeps the connection, whatever it is told.
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while {
            line.clear();
            reader.read_line(&mut line)? > 2
        } {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or_default();
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = exchange().map_err(|error| error.to_string())?;
    let mut body: Value = serde_json::from_str(&answer).map_err(|_| answer.clone())?;
    let value = body["value"].take();
    match value.get("error") {
        Some(error) => Err(format!("{error}: {}", value["message"])),
        None => Ok(value),
    }
}
