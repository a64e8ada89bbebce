//! What Velero restores for a run of ours lands in a sandbox of that run, and on no volume of production.

mod infrastructure;
mod mesh;
mod place;
mod volumes;

#[cfg(test)]
mod tests;

use kube::core::{DynamicObject, admission::Operation};

use crate::{
    answer::{Answer, Denial},
    facts::{Facts, RestoreOwner},
    request::{Request, described, label, name, namespace, target, username},
    rule::Rule,
};

pub use infrastructure::is_infrastructure;
pub use mesh::{WAITS_FOR_DATA, sidecar_of};
pub use place::{Place, place};
pub(crate) use volumes::reaches_outside;

/// Velero puts this label on everything it restores.
pub const RESTORE_LABEL: &str = "velero.io/restore-name";
/// Names of our Restores begin with this.
pub const RESTORE_PREFIX: &str = "kymaros-";

/// Answers for the creation or change of anything that Velero restored, and of namespaces that it makes.
#[must_use]
pub fn contain(request: &Request, facts: &dyn Facts) -> Answer {
    if target(request).resource == "namespaces" && target(request).group.is_empty() {
        return new_namespace(request, facts);
    }
    let (new, old) = (request.object.as_ref(), request.old_object.as_ref());
    let Some(restore) = label(new, RESTORE_LABEL).filter(|r| r.starts_with(RESTORE_PREFIX)) else {
        return Answer::allow();
    };
    if request.operation == Operation::Update && label(old, RESTORE_LABEL) == Some(restore) {
        // It was looked at when it was made; nobody is kept from changing or deleting it.
        return Answer::allow();
    }
    match facts.restore(restore) {
        Some(RestoreOwner::Run(uid)) => restored(request, restore, &uid, facts),
        None if is_ours_by_name(restore) => Answer::DenyUnlessKnownSoon(denial(
            request,
            Rule::RestoreGone,
            &format!("Restore {restore} does not exist any more"),
        )),
        Some(RestoreOwner::Other) | None => Answer::allow(),
    }
}

/// Velero makes a namespace that is not there. A sandbox that was removed while Velero still restores must not come
/// back as an ordinary namespace, which nobody would clean up.
fn new_namespace(request: &Request, facts: &dyn Facts) -> Answer {
    let operator = facts.operator();
    let by_velero = facts.velero_account().map_or_else(
        || username(request).starts_with(&format!("system:serviceaccount:{}:", operator.velero_namespace)),
        |account| username(request) == account,
    );
    if !by_velero || request.operation != Operation::Create {
        return Answer::allow();
    }
    match facts.run_of_sandbox_name(&name(request)) {
        None => Answer::allow(),
        Some(_) => Answer::Deny(denial(
            request,
            Rule::SandboxRemoved,
            "the sandbox of this name was removed while Velero was still restoring into it",
        )),
    }
}

fn restored(request: &Request, restore: &str, run_uid: &str, facts: &dyn Facts) -> Answer {
    let Some(namespace) = namespace(request) else {
        return for_the_cluster(request, restore, run_uid, facts);
    };
    if namespace == facts.operator().velero_namespace {
        // Data movers and what they need; Velero labels them with the restore they work for.
        return Answer::allow();
    }
    match facts.sandbox(namespace) {
        None => Answer::DenyUnlessKnownSoon(denial(
            request,
            Rule::NotItsSandbox,
            "the namespace is not a sandbox",
        )),
        Some(sandbox) if sandbox.run_uid != run_uid => Answer::Deny(denial(
            request,
            Rule::NotItsSandbox,
            "the namespace is the sandbox of another run",
        )),
        Some(_) if is_infrastructure(target(request).group) => Answer::Deny(denial(
            request,
            Rule::Infrastructure,
            "it stands for something outside of the cluster, which its copy would take over",
        )),
        Some(_) => into_its_sandbox(request),
    }
}

fn into_its_sandbox(request: &Request) -> Answer {
    let volume = request.object.as_ref().and_then(|o| reaches_outside(&o.data));
    if let Some(volume) = volume {
        return Answer::Deny(denial(request, Rule::PodVolume, &volume));
    }
    match mesh::to_be_remade(request) {
        None => Answer::allow(),
        Some(mesh) => Answer::Deny(Denial::forbidden(
            Rule::MeshSidecar,
            format!(
                "restore test: {} {:?} is refused: it has the sidecar of {mesh}, which waits for what no sandbox reaches",
                described(request),
                name(request)
            ),
            "its controller makes it again without the sidecar",
        )),
    }
}

fn for_the_cluster(request: &Request, restore: &str, run_uid: &str, facts: &dyn Facts) -> Answer {
    let target = target(request);
    match (target.group, target.resource) {
        ("", "persistentvolumes") => volume(request, knows_volumes(restore, run_uid, facts), facts),
        ("snapshot.storage.k8s.io", "volumesnapshotcontents") => snapshot(request),
        _ => Answer::Deny(denial(
            request,
            Rule::ClusterWide,
            "a test restores nothing for the whole cluster but volumes of its sandboxes",
        )),
    }
}

/// Whether the run could read what the backup of this Restore holds.
fn knows_volumes(restore: &str, run_uid: &str, facts: &dyn Facts) -> bool {
    let number = restore
        .rsplit_once('-')
        .and_then(|(_, number)| number.parse().ok());
    let run = facts.run(run_uid);
    number.is_some_and(|number| run.is_some_and(|run| run.knows_volumes.contains(&number)))
}

/// Velero brings a volume whose data the backup lacks, and that is to be retained, back on its old disk. Runs look for such
/// volumes beforehand; one that could not must not find out by using the disk.
fn volume(request: &Request, is_known: bool, facts: &dyn Facts) -> Answer {
    let spec = request
        .object
        .as_ref()
        .map(|o| o.data["spec"].clone())
        .unwrap_or_default();
    match place(&spec) {
        Place::Shared(kind) => Answer::Deny(denial(
            request,
            Rule::VolumeInUse,
            &format!("a copy of a volume of type {kind} is the very place that production writes to"),
        )),
        Place::At(place) => match facts.volume_in_place(&place, &name(request)) {
            None if spec["persistentVolumeReclaimPolicy"] == "Retain" && !is_known => {
                Answer::DenyUnlessKnownSoon(denial(
                    request,
                    Rule::VolumeInUse,
                    "what the backup holds could not be read, so it may be production's own disk",
                ))
            }
            None => Answer::allow(),
            Some(other) => Answer::Deny(denial(
                request,
                Rule::VolumeInUse,
                &format!("it would be kept in the same place as volume {other}"),
            )),
        },
    }
}

/// Velero keeps the backup's snapshot when the copy of its object goes
/// (<https://github.com/velero-io/velero/issues/4945>); one that does not would cost the backup its data.
fn snapshot(request: &Request) -> Answer {
    if keeps_snapshot(request.object.as_ref()) {
        return Answer::allow();
    }
    Answer::Deny(denial(
        request,
        Rule::SnapshotOfBackup,
        "with its deletionPolicy the backup would lose its snapshot at the end of the test",
    ))
}

/// Whether the snapshot in the storage stays when this `VolumeSnapshotContent` goes.
pub(crate) fn keeps_snapshot(content: Option<&DynamicObject>) -> bool {
    content.is_some_and(|content| content.data["spec"]["deletionPolicy"] == "Retain")
}

/// `kymaros-<8 hexadecimal digits>-<index>`, short enough that Velero's label is the name itself.
#[must_use]
pub fn is_ours_by_name(restore: &str) -> bool {
    let rest = restore.strip_prefix(RESTORE_PREFIX).unwrap_or_default();
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    rest.split_once('-').is_some_and(|(hash, index)| {
        hash.len() == 8
            && hash.bytes().all(is_hex)
            && (1..=5).contains(&index.len())
            && index.bytes().all(|b| b.is_ascii_digit())
    })
}

fn denial(request: &Request, rule: Rule, why: &str) -> Denial {
    Denial::forbidden(
        rule,
        format!(
            "restore test: {} {:?} is refused: {why}",
            described(request),
            name(request)
        ),
        "nothing of production was touched; leave it out of the test with a label selector, or back up its data",
    )
}
