//! Whether a backup holds what a run would restore.

use kymaros_crds::domain::Source;
use thiserror::Error;

use crate::velero::results::BackupContents;

/// A backup has nothing to restore of a namespace.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("backup {backup} holds nothing of namespace {namespace}")]
pub struct NotInBackup {
    /// The backup.
    pub backup: String,
    /// The namespace.
    pub namespace: String,
}

/// Whether a backup holds each namespace of a source, which is asked before anything is restored.
///
/// # Errors
/// The first namespace that it does not hold.
pub fn holds_all(backup: &str, contents: &BackupContents, source: &Source) -> Result<(), NotInBackup> {
    let mut names = source.namespaces.iter().map(|n| n.name.as_str());
    match names.find(|name| !contents.holds_namespace(name)) {
        Some(missing) => Err(NotInBackup {
            backup: backup.to_owned(),
            namespace: missing.to_owned(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use kymaros_crds::{RestoreTestSpec, domain::Test};
    use kymaros_webhooks::default::Defaults;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backup_without_a_namespace_of_the_test_makes_no_plan() {
        let list = serde_json::from_value(json!({ "v1/ConfigMap": ["shop/a"] })).unwrap();
        let contents = BackupContents::new(&list, vec![]);
        let held = |namespaces: &[&str]| {
            let names: Vec<_> = namespaces.iter().map(|name| json!({ "name": name })).collect();
            let spec: RestoreTestSpec = serde_json::from_value(json!({
                "backupSource": { "provider": "velero", "namespaces": names },
                "schedule": { "cron": "0 3 * * *" },
            }))
            .unwrap();
            let test = Test::try_from(&Defaults::default().filled(&spec)).unwrap();
            holds_all("nightly", &contents, &test.sources[0])
        };
        assert!(held(&["shop"]).is_ok());
        let error = held(&["shop", "blog"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "backup nightly holds nothing of namespace blog"
        );
    }
}
