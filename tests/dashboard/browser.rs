//! A headless Chromium, driven over its `DevTools` protocol.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// Longest wait for an answer or an event.
const PATIENCE: Duration = Duration::from_mins(1);
/// Browsers at one time: more of them only wait for each other.
static ROOM: Semaphore = Semaphore::const_new(2);

/// A browser with one page; it ends with the test.
pub struct Browser {
    process: Child,
    profile: tempfile::TempDir,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    target: Value,
    last: u64,
    events: Vec<Value>,
    // Ends with the browser.
    _seat: SemaphorePermit<'static>,
}

/// How a page is looked at.
#[derive(Clone, Copy)]
pub struct Screen {
    pub width: u32,
    pub height: u32,
    pub scheme: &'static str,
}

impl Browser {
    pub async fn start() -> Self {
        let seat = ROOM.acquire().await.unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-extensions",
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            // What it leaves beside its profile goes with it.
            .env("TMPDIR", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Debian's chromium is installed by `cargo xtask test`");
        let said = BufReader::new(process.stderr.take().unwrap());
        let mut lines = said.lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once("DevTools listening on ")?.1.to_owned()));
        // Whatever else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let (socket, _) = connect_async(address.expect("the browser says where it listens"))
            .await
            .unwrap();
        let mut browser = Self {
            process,
            profile,
            socket,
            session: None,
            target: Value::Null,
            last: 0,
            events: Vec::new(),
            _seat: seat,
        };
        let target = browser
            .call("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attached = browser
            .call(
                "Target.attachToTarget",
                json!({ "targetId": target["targetId"], "flatten": true }),
            )
            .await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.target = target["targetId"].clone();
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        let enabled = json!({ "enabled": true });
        browser.call("Page.setLifecycleEventsEnabled", enabled).await;
        browser
    }

    /// Calls a method of the protocol.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.attempt(method, params)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Calls a method of the protocol that the browser may refuse.
    pub async fn attempt(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last += 1;
        let id = self.last;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
        loop {
            let mut answer = self.next().await;
            if answer["id"] == json!(id) {
                return match answer["error"].take() {
                    Value::Null => Ok(answer["result"].take()),
                    error => Err(error),
                };
            }
            self.events.push(answer);
        }
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = timeout(PATIENCE, self.socket.next())
                .await
                .expect("the browser answers in time");
            if let Message::Text(text) = message.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Loads a page and waits until all of it is there.
    pub async fn load(&mut self, address: &str) {
        self.events.clear();
        let begun = self.call("Page.navigate", json!({ "url": address })).await;
        // The page before may end its loading only now.
        let is_whole = |event: &Value| {
            let said = &event["params"];
            let is_load = event["method"] == "Page.lifecycleEvent" && said["name"] == "load";
            is_load && said["loaderId"] == begun["loaderId"]
        };
        self.seen(&format!("{address} is there"), is_whole).await;
    }

    /// Waits until something has been told since the page was loaded.
    async fn seen(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) {
        let wait = async {
            while !self.events.iter().any(&is_it) {
                let event = self.next().await;
                self.events.push(event);
            }
        };
        timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("it did not happen that {what}"));
    }

    /// Waits for the styles and the layout of whatever came last.
    pub async fn settle(&mut self) {
        self.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
        )
        .await;
    }

    /// Waits until a path of the page has begun to answer, whatever it was asked with.
    pub async fn answered(&mut self, path: &str) {
        let is_answer = |event: &Value| {
            let url = event["params"]["response"]["url"].as_str().unwrap_or_default();
            let asked = url.split('?').next().unwrap_or_default();
            event["method"] == "Network.responseReceived" && asked.ends_with(path)
        };
        self.seen(&format!("{path} answers"), is_answer).await;
    }

    /// What an expression is in the page.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", params).await;
        assert!(
            answer["exceptionDetails"].is_null(),
            "{}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].take()
    }

    pub async fn look(&mut self, screen: Screen) {
        let metrics = json!({
            "width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": screen.width < 600,
            "screenWidth": screen.width, "screenHeight": screen.height,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": screen.scheme }] });
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// Opens another tab before the page, which nobody sees from then on.
    pub async fn cover(&mut self) {
        self.call("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
    }

    /// Goes back to the page.
    pub async fn uncover(&mut self) {
        let target = json!({ "targetId": self.target });
        self.call("Target.activateTarget", target).await;
    }

    /// The page as a picture, as far as the screen goes.
    pub async fn picture(&mut self) -> Vec<u8> {
        let picture = self
            .call("Page.captureScreenshot", json!({ "format": "png" }))
            .await;
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// Addresses that the page has asked for since it was loaded.
    pub fn requests(&self) -> Vec<String> {
        let asked = self
            .events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent");
        asked
            .map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Bytes that came over the wire since the page was loaded.
    pub fn bytes(&self) -> f64 {
        let done = self
            .events
            .iter()
            .filter(|event| event["method"] == "Network.loadingFinished");
        done.filter_map(|event| event["params"]["encodedDataLength"].as_f64())
            .sum()
    }

    /// What its console complains of.
    pub fn complaints(&self) -> Vec<String> {
        let complains = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Log.entryAdded") => matches!(
                event["params"]["entry"]["level"].as_str(),
                Some("error" | "warning")
            ),
            Some("Runtime.consoleAPICalled") => matches!(
                event["params"]["type"].as_str(),
                Some("error" | "warning" | "assert")
            ),
            Some("Network.loadingFailed") => event["params"]["canceled"] != json!(true),
            _ => false,
        };
        self.events
            .iter()
            .filter(complains)
            .map(|event| event["params"].to_string())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(self.profile.path());
    }
}
