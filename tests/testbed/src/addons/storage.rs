//! The default storage class.

use serde_json::{Value, json};

/// The name of the default storage class.
const CLASS: &str = "local-path";

pub(super) fn documents() -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": CLASS, "annotations": {
                "storageclass.kubernetes.io/is-default-class": "true",
                // Velero cannot back up the files of hostPath volumes.
                "defaultVolumeType": "local",
            }},
            "provisioner": "rancher.io/local-path",
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
        }),
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            // The provisioner looks for this name in its own namespace.
            "metadata": {"name": "local-path-config", "namespace": "kube-system"},
            "data": {
                "setup": "#!/bin/sh\nset -eu\nmkdir -m 0777 -p \"$VOL_DIR\"\n",
                "teardown": "#!/bin/sh\nset -eu\nrm -rf \"$VOL_DIR\"\n",
            },
        }),
    ]
}
