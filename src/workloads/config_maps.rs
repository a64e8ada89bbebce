//! What a watch of `ConfigMap`s keeps in memory.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use super::{
    outside,
    references::{Form, services},
};

/// Leaves nothing of a `ConfigMap` but the names in it that matter here: a sandbox may hold a great many, and large ones.
pub fn keep_names(map: &mut ConfigMap) {
    map.binary_data = None;
    map.managed_fields_mut().clear();
    let names = |key: &str, text: &str| {
        let services = services(text).into_iter().map(|n| match n.form {
            Form::Qualified => format!("{}.{}.svc", n.service, n.namespace),
            Form::Short => format!("{}.{}:0", n.service, n.namespace),
        });
        let hosts = outside::hosts(Some(key), text);
        let hosts = hosts.into_iter().map(|host| format!("{host}:0"));
        services.chain(hosts).collect::<Vec<_>>().join("\n")
    };
    for (key, text) in map.data.iter_mut().flatten() {
        *text = names(key, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::{assess::SandboxObjects, references::find};
    use serde_json::{from_value, json};

    #[test]
    fn of_a_config_map_only_names_are_kept_and_still_found() {
        let mut map: ConfigMap = from_value(json!({ "metadata": { "name": "c" }, "data": {
            "a": "password=hunter2 url=http://db.data.svc/x", "b": "http://cache.fast:6379" } }))
        .unwrap();
        keep_names(&mut map);
        assert!(!format!("{map:?}").contains("hunter2"));
        let objects = SandboxObjects {
            config_maps: vec![map],
            ..Default::default()
        };
        let found: Vec<(String, Form)> = find(&objects)
            .into_iter()
            .map(|r| (r.to.service, r.to.form))
            .collect();
        assert_eq!(
            found,
            [("cache".into(), Form::Short), ("db".into(), Form::Qualified)]
        );
    }
}
