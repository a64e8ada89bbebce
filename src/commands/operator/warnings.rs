//! What somebody should look after before it hurts, as Warning events on this very pod.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};
use kymaros_certs::Expiry;
use tokio::{sync::watch, time::MissedTickBehavior};

use super::identity::{pod_name, pod_uid};
use crate::{fleet::ending, license::License, reason::EventReason, telemetry::events::Events};

/// The API server forgets an event after an hour, as it is usually set up.
const AGAIN: Duration = Duration::from_hours(1);

/// Who tells, and of what.
pub(super) struct Warnings {
    pub events: Arc<Events>,
    pub pod: ObjectReference,
    pub expiry: watch::Receiver<Expiry>,
    pub license: watch::Receiver<License>,
    pub leading: watch::Receiver<bool>,
}

#[derive(Debug, PartialEq, Eq)]
struct Warning {
    reason: &'static str,
    note: String,
}

/// Each replica has its own certificate in its hands; of the license one of them tells.
fn due(expiry: &Expiry, license: &License, leads: bool, now: Timestamp) -> Vec<Warning> {
    let certificate = expiry.warning.clone().map(|note| Warning {
        reason: EventReason::CertificateExpires.as_str(),
        note,
    });
    let license = match license {
        License::Community(refusal) if leads && refusal.is_trouble() => Some(Warning {
            reason: refusal.reason(),
            note: format!("{refusal}; the Community tier applies"),
        }),
        license if leads => ending(license, now).map(|note| Warning {
            reason: EventReason::LicenseEnds.as_str(),
            note,
        }),
        _ => None,
    };
    certificate.into_iter().chain(license).collect()
}

impl Warnings {
    /// The pod that tells.
    pub(super) fn pod(namespace: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(namespace.to_owned()),
            name: pod_name(),
            // Without it those who describe the pod do not see what is told of it.
            uid: pod_uid(),
            ..ObjectReference::default()
        }
    }

    /// Tells of each when it begins, and again every hour as long as it is so.
    pub(super) async fn tell(mut self) {
        let mut again = tokio::time::interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Vec::new();
        loop {
            let due = due(
                &self.expiry.borrow_and_update(),
                &self.license.borrow_and_update(),
                *self.leading.borrow_and_update(),
                Timestamp::now(),
            );
            for warning in due.iter().filter(|warning| !told.contains(*warning)) {
                self.publish(warning).await;
            }
            told = due;
            let ended = tokio::select! {
                _ = again.tick() => { told.clear(); false }
                changed = self.expiry.changed() => changed.is_err(),
                changed = self.license.changed() => changed.is_err(),
                changed = self.leading.changed() => changed.is_err(),
            };
            if ended {
                return;
            }
        }
    }

    async fn publish(&self, warning: &Warning) {
        tracing::warn!(reason = warning.reason, "{}", warning.note);
        let event = Event {
            type_: EventType::Warning,
            reason: warning.reason.to_owned(),
            note: Some(warning.note.clone()),
            action: "Warn".to_owned(),
            secondary: None,
        };
        self.events.publish(&event, self.pod.clone()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::license::Refusal;

    #[test]
    fn what_needs_somebody_is_told_and_nothing_else() {
        let fine = Expiry::default();
        let none = License::Community(Refusal::NoSecret);
        let wrong = License::Community(Refusal::TrialKey);
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let due = |expiry: &Expiry, license: &License, leads| due(expiry, license, leads, now);
        assert_eq!(due(&fine, &none, true), []);
        assert_eq!(due(&fine, &wrong, false), [], "the other replica tells");
        assert_eq!(due(&fine, &wrong, true)[0].reason, "LicenseInvalid");
        let over = License::Community(Refusal::Expired("2025-12-31T00:00:00Z".parse().unwrap()));
        let said = &due(&fine, &over, true)[0];
        assert!(
            said.reason == "LicenseExpired" && said.note.contains("2025-12-31"),
            "{said:?}"
        );
        let team = |end: &str| License::Valid {
            tier: kymaros_crds::domain::Tier::Team,
            expires: end.parse().ok(),
        };
        assert_eq!(due(&fine, &team("2026-06-01T00:00:00Z"), true), []);
        assert_eq!(
            due(&fine, &team("2026-01-05T00:00:00Z"), true)[0].reason,
            "LicenseEnds"
        );
        assert_eq!(due(&fine, &team("2026-01-05T00:00:00Z"), false), []);
        let ends = Expiry {
            warning: Some("the certificate ends".to_owned()),
            ..Expiry::default()
        };
        assert_eq!(due(&ends, &none, false)[0].reason, "CertificateExpires");
        assert_eq!(due(&ends, &wrong, true).len(), 2);
    }
}
