//! After the restore: whatever came back outside of the plan is an escape.

use std::collections::BTreeMap;

use super::{Fate, fate};
use crate::velero::results::{ItemAction, RestoredObjects};

/// Objects that Velero made and that no plan has: in a namespace that is no sandbox of the run, or of a kind that stays
/// out. One sentence each; there should never be any.
#[must_use]
pub fn escapes(restored: &RestoredObjects, mapping: &BTreeMap<String, String>) -> Vec<String> {
    let mut escapes = Vec::new();
    for (namespace, objects) in &restored.objects {
        let is_sandbox = mapping.values().any(|sandbox| sandbox == namespace);
        for (object, action) in objects {
            match (action, is_sandbox, fate(object)) {
                (ItemAction::Failed | ItemAction::Skipped, _, _)
                | (ItemAction::Present, true, Fate::Kept | Fate::Rewritten(_)) => {}
                (ItemAction::Present, false, _) => {
                    escapes.push(format!(
                        "{} came back in namespace {namespace}, which is no sandbox",
                        object.display()
                    ));
                }
                (ItemAction::Present, true, Fate::Excluded(why)) => {
                    escapes.push(format!(
                        "{} came back though it must not: it {why}",
                        object.display()
                    ));
                }
            }
        }
    }
    escapes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(list: serde_json::Value) -> Vec<String> {
        let restored = RestoredObjects::new(&serde_json::from_value(list).unwrap());
        escapes(&restored, &BTreeMap::from([("shop".to_owned(), "sb".to_owned())]))
    }

    #[test]
    fn what_is_planned_is_no_escape() {
        let list = serde_json::json!({ "v1/Secret": ["sb/a(created)"], "batch/v1/CronJob": ["sb/n(created)"],
            "v1/ConfigMap": ["elsewhere/x(failed)"], "velero.io/v2alpha1/DataUpload": ["velero/u(skipped)"] });
        assert!(escaped(list).is_empty());
    }

    #[test]
    fn another_namespace_or_a_kind_that_stays_out_is_one() {
        let elsewhere = escaped(serde_json::json!({ "v1/Secret": ["production/a(created)"] }));
        assert!(
            elsewhere.len() == 1 && elsewhere[0].contains("no sandbox"),
            "{elsewhere:?}"
        );
        let open = escaped(serde_json::json!({ "networking.k8s.io/v1/NetworkPolicy": ["sb/all(created)"] }));
        assert!(
            open.len() == 1 && open[0].contains("policies are a union"),
            "{open:?}"
        );
    }
}
