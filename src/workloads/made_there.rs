//! What a sandbox got from its cluster, or from a product that serves every namespace, and not from a backup.

use std::collections::BTreeSet;

use kube::{Resource, ResourceExt};
use kymaros_webhooks::contain::RESTORE_LABEL;

use super::assess::SandboxObjects;

/// Accounts and their rights, as `Kind/name`, that no restore brought. Settings are not among them: an application that makes
/// its own anew may miss what people wrote into them.
#[must_use]
pub fn made_there(objects: &SandboxObjects) -> BTreeSet<String> {
    let accounts = objects.service_accounts.iter().filter_map(unrestored);
    let roles = objects.roles.iter().filter_map(unrestored);
    let bindings = objects.role_bindings.iter().filter_map(unrestored);
    accounts.chain(roles).chain(bindings).collect()
}

fn unrestored<K: Resource<DynamicType = ()>>(object: &K) -> Option<String> {
    let is_restored = object.labels().contains_key(RESTORE_LABEL);
    (!is_restored).then(|| format!("{}/{}", K::kind(&()), object.name_any()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    #[test]
    fn what_a_restore_brought_is_not_made_there() {
        let named = |name: &str, labels: Value| json!({ "metadata": { "name": name, "labels": labels } });
        let restored = json!({ RESTORE_LABEL: "kymaros-1" });
        let binding = json!({ "metadata": { "name": "system:deployers" },
            "roleRef": { "apiGroup": "", "kind": "ClusterRole", "name": "d" } });
        let objects = SandboxObjects {
            service_accounts: vec![
                from_value(named("builder", json!({}))).unwrap(),
                from_value(named("robot", restored)).unwrap(),
            ],
            config_maps: vec![from_value(named("settings", json!({}))).unwrap()],
            role_bindings: vec![from_value(binding).unwrap()],
            ..Default::default()
        };
        let all: Vec<String> = made_there(&objects).into_iter().collect();
        assert_eq!(all, ["RoleBinding/system:deployers", "ServiceAccount/builder"]);
    }
}
