use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

fn known() -> (Known, Remote) {
    Known::new("eu".parse().unwrap(), RunLog::default())
}

/// What is logged meanwhile.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn the_log_has_each_reason_once_and_that_it_is_over() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(log.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let (known, _remote) = known();
        known.heard();
        for lost in [Lost::Silent, Lost::Silent, Lost::Unknown, Lost::Silent] {
            known.lost(&lost);
        }
        known.heard();
        known.heard();
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let said = lines.map(|line| {
        let fields = &line["fields"];
        assert_eq!(fields["cluster"], "eu", "{line}");
        let why = fields["why"].as_str().and_then(|why| why.split(';').next());
        format!(
            "{} {}{}",
            line["level"].as_str().unwrap(),
            fields["message"].as_str().unwrap(),
            why.map(|why| format!(": {why}")).unwrap_or_default()
        )
    });
    let silent = "WARN another cluster is away: it did not answer in time";
    let unknown = "WARN another cluster is away: its account is not known there, or not any more";
    let back = "INFO another cluster is back";
    assert_eq!(said.collect::<Vec<_>>(), [silent, unknown, silent, back]);
}
