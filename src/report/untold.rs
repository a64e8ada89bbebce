//! Messages of a run that have not arrived, and why. Those that have are nobody's concern.

use std::fmt::{self, Write};

use kymaros_crds::{NotificationState, RestoreReportStatus};

use super::{
    plain,
    style::{BAD, DOUBT, FAINT, paint},
    text::heading,
};

/// Writes them, if there are any.
pub(super) fn write(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    let messages = status.notifications.iter();
    let mut untold = messages
        .filter(|message| message.state != Some(NotificationState::Delivered))
        .peekable();
    if untold.peek().is_none() {
        return Ok(());
    }
    heading(out, "Messages that have not arrived")?;
    for message in untold {
        let (mark, state) = match message.state {
            Some(NotificationState::Failed) => (paint(BAD, "✘"), "given up"),
            _ if message.error.is_some() => (paint(DOUBT, "!"), "sent again later"),
            _ => (paint(FAINT, "–"), "on its way"),
        };
        let why = message.error.as_deref().map(|why| format!(": {}", plain(why)));
        let why = why.unwrap_or_default();
        writeln!(out, "  {mark} {}, {state}{why}", plain(&message.receiver))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kymaros_crds::RestoreReport;
    use serde_json::{Value, json};

    fn text(messages: &Value) -> String {
        let report: RestoreReport = serde_json::from_value(json!({
            "metadata": { "name": "shop-1" }, "spec": { "testRef": "shop" }, "status": { "notifications": messages },
        }))
        .unwrap();
        anstream::adapter::strip_str(&crate::report::text(&report).unwrap()).to_string()
    }

    #[test]
    fn messages_that_have_not_arrived_say_why() {
        let text = text(&json!([
            { "id": "1", "receiver": "slack #ops by Secret shop/slack", "state": "Delivered", "error": "old" },
            { "id": "2", "receiver": "webhook by Secret shop/pager", "state": "Failed", "error": "it answered\u{1b}503" },
            { "id": "3", "receiver": "webhook by Secret shop/other", "state": "Pending", "error": "no url" },
            { "id": "4", "receiver": "webhook by Secret shop/new", "state": "Sending" },
        ]));
        let lines = [
            "Messages that have not arrived",
            "  ✘ webhook by Secret shop/pager, given up: it answered 503",
            "  ! webhook by Secret shop/other, sent again later: no url",
            "  – webhook by Secret shop/new, on its way",
        ];
        assert!(text.contains(&lines.join("\n")), "{text}");
        assert!(!text.contains("slack"), "{text}");
    }

    #[test]
    fn messages_that_have_arrived_are_not_mentioned() {
        let delivered = text(&json!([{ "id": "1", "receiver": "slack", "state": "Delivered" }]));
        assert_eq!(delivered, text(&json!([])));
    }
}
