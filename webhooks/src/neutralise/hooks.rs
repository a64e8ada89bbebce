//! Restore hooks of production do nothing in a sandbox. One that runs in a container of the pod goes with its annotations,
//! for Velero reads them off the pod that was stored. One that has a container of its own is in the pod already: Velero
//! puts it among the init containers before it makes the pod.

use serde_json::Value;

/// The hook's image; without it there is no such hook.
const IMAGE: &str = "init.hook.restore.velero.io/container-image";
/// The name of its container.
const NAME: &str = "init.hook.restore.velero.io/container-name";
/// How Velero names the container of a hook that has no name; eight digits of a UUID follow.
const UNNAMED: &str = "velero-restore-init-";

/// Takes the container of a hook out of a pod that Velero restores; its annotations must still be there.
pub(super) fn drop_init(pod: &mut Value) {
    let annotations = &pod["metadata"]["annotations"];
    let said = |key: &str| annotations[key].as_str().filter(|value| !value.is_empty());
    if said(IMAGE).is_none() {
        return;
    }
    let named = said(NAME).map(str::to_owned);
    let containers = pod.pointer_mut("/spec/initContainers");
    let Some(containers) = containers.and_then(Value::as_array_mut) else {
        return;
    };
    let is_hook = |container: &Value| {
        let name = container["name"].as_str().unwrap_or_default();
        named
            .as_deref()
            .map_or_else(|| is_unnamed(name), |named| name == named)
    };
    // Of two with one name, one is the application's. The API server refuses such a pod, here as in any restore.
    if named.is_some() && containers.iter().filter(|c| is_hook(c)).count() > 1 {
        return;
    }
    containers.retain(|container| !is_hook(container));
}

/// Whether Velero named it, for this restore or for one that production itself came from.
fn is_unnamed(name: &str) -> bool {
    name.strip_prefix(UNNAMED)
        .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}
