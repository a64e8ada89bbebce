//! The metadata that people write. The API server checks it before any webhook; offline nobody else does.

use std::{collections::BTreeMap, sync::LazyLock};

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kymaros_crds::domain::{FieldError, check_metadata};
use serde_json::{Value, json};

/// The shape of `ObjectMeta`. What only the API server writes may be anything.
pub(super) static SCHEMA: LazyLock<JSONSchemaProps> = LazyLock::new(|| {
    let of = |type_: &str| JSONSchemaProps {
        type_: Some(type_.to_owned()),
        ..JSONSchemaProps::default()
    };
    let map = JSONSchemaProps {
        additional_properties: Some(JSONSchemaPropsOrBool::Schema(Box::new(of("string")))),
        ..of("object")
    };
    let list = JSONSchemaProps {
        items: Some(JSONSchemaPropsOrArray::Schema(Box::new(of("string")))),
        ..of("array")
    };
    let any = JSONSchemaProps {
        x_kubernetes_preserve_unknown_fields: Some(true),
        ..JSONSchemaProps::default()
    };
    let fields = [
        ("annotations", map.clone()),
        ("finalizers", list),
        ("generateName", of("string")),
        ("labels", map),
        ("name", of("string")),
        ("namespace", of("string")),
    ];
    let servers = [
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ];
    let fields = fields
        .into_iter()
        .chain(servers.map(|name| (name, any.clone())))
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect::<BTreeMap<_, _>>();
    JSONSchemaProps {
        properties: Some(fields),
        ..of("object")
    }
});

/// Checks name, namespace and labels.
pub(super) fn check(readable: &Value) -> Vec<FieldError> {
    let written = &readable["metadata"];
    let mut picked = json!({});
    for field in ["name", "generateName", "namespace", "labels"] {
        picked[field] = written[field].clone();
    }
    let metadata = serde_json::from_value::<ObjectMeta>(picked).unwrap_or_default();
    check_metadata(&metadata)
        .err()
        .map(|invalid| invalid.0)
        .unwrap_or_default()
}
