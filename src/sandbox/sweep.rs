//! The sweeper: sandboxes whose run is gone, and sandboxes past their time that no report holds itself for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt, core::PartialObjectMeta, runtime::controller::Action};
use kymaros_crds::{RestoreReport, names};

use super::{
    held,
    leftovers::leftovers,
    outside::{self, AGAIN},
    remove::OwnedSandbox,
};

/// A run that is over gets this long after its sandbox expired; one that goes on is looked at again this often.
const GRACE: Duration = Duration::from_mins(1);

/// What the sweeper works with.
pub struct SweepContext {
    /// Talks to the API server.
    pub client: Client,
    /// Where Velero lives.
    pub velero_namespace: String,
}

/// Looks at one sandbox.
///
/// # Errors
/// When the API server refuses or does not answer; it is looked at again later.
#[tracing::instrument(skip_all, fields(sandbox = %namespace.name_any()))]
pub async fn reconcile(
    namespace: Arc<PartialObjectMeta<Namespace>>,
    context: Arc<SweepContext>,
) -> Result<Action, kube::Error> {
    let Some(uid) = names::run_uid(namespace.labels()) else {
        return Ok(Action::await_change());
    };
    let run = run(&context.client, namespace.labels(), uid).await?;
    let fate = fate(&namespace, run, Timestamp::now());
    if let Fate::Look(at) = fate {
        return Ok(look(at));
    }
    if matches!(fate, Fate::Follow(_)) {
        tracing::debug!(run_uid = %uid, ?run, "what a sandbox that goes leaves behind goes, too");
    } else {
        tracing::warn!(run_uid = %uid, ?run, ?fate, "nobody looks after this sandbox any more");
    }
    let name = namespace.name_any();
    // One of that name may be of another run by now.
    let owned = OwnedSandbox::find(&context.client, &name, uid).await?;
    let done = apply(&context.client, fate, &name, uid, owned.as_ref()).await;
    // What fails or is refused in the sandbox keeps nothing outside of it, and the other way round.
    let sandboxes = owned.map(|_| name);
    let left = leftovers(
        &context.client,
        &context.velero_namespace,
        uid,
        sandboxes.as_slice(),
    )
    .await?;
    let is_left = outside::remove(&context, left).await?;
    done?;
    Ok(match fate {
        Fate::Follow(at) if !is_left => look(at),
        _ => Action::requeue(AGAIN),
    })
}

fn look(at: Option<Timestamp>) -> Action {
    at.map_or_else(Action::await_change, |at| {
        let wait = at.duration_since(Timestamp::now());
        Action::requeue(Duration::try_from(wait).unwrap_or(Duration::ZERO))
    })
}

async fn apply(
    client: &Client,
    fate: Fate,
    name: &str,
    uid: &str,
    owned: Option<&OwnedSandbox>,
) -> Result<(), kube::Error> {
    // No run goes on that could name what held it; the log does.
    let note = |_| {};
    match (fate, owned) {
        (Fate::Release, _) => held::release(client, name, uid).await.map(drop),
        (Fate::Remove, Some(owned)) => owned.remove(client, &note).await,
        (Fate::Follow(_), Some(owned)) => owned.free(client, &note).await,
        (Fate::Look(_), _) | (_, None) => Ok(()),
    }
}

/// What is to be done with a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing now; look again then.
    Look(Option<Timestamp>),
    /// It is going, and what would outlive it goes too; look again then.
    Follow(Option<Timestamp>),
    /// It is going, and finalizers of other products are taken off it.
    Release,
    /// It goes.
    Remove,
}

/// What became of the run of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// Its report is held until the sandbox is gone.
    Held,
    /// Its report is there and held by nobody: the run is over.
    Over,
    /// There is no report of it.
    Gone,
}

/// The clock may have been set while a run goes on. A run reckons its own time, and ends by itself.
fn fate(namespace: &PartialObjectMeta<Namespace>, run: Run, now: Timestamp) -> Fate {
    let expires: Option<Timestamp> = namespace
        .annotations()
        .get(names::EXPIRES_AT_ANNOTATION)
        .and_then(|t| t.parse().ok());
    let deadline = expires.map(|at| crate::run::observed::after(at, GRACE));
    let is_overdue = deadline.is_none_or(|at| now >= at);
    if let Some(since) = &namespace.metadata.deletion_timestamp {
        let is_held = held::foreign(namespace.finalizers()).next().is_some();
        let patience = crate::run::observed::after(since.0, held::PATIENCE);
        return match run {
            // Its run names what it takes off, unless somebody takes its report away.
            Run::Held => Fate::Look(is_held.then(|| crate::run::observed::after(now, GRACE))),
            Run::Over | Run::Gone if is_held && now >= patience => Fate::Release,
            // Whoever deleted it may have left to the run what is outside of it.
            Run::Over | Run::Gone => Fate::Follow(is_held.then_some(patience)),
        };
    }
    match run {
        Run::Gone => Fate::Remove,
        Run::Over if is_overdue => Fate::Remove,
        Run::Held if is_overdue => Fate::Look(Some(crate::run::observed::after(now, GRACE))),
        Run::Over | Run::Held => Fate::Look(deadline),
    }
}

/// Whether there is no report of the run that made what has these labels.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn is_orphan(
    client: &Client,
    labels: &BTreeMap<String, String>,
    uid: &str,
) -> Result<bool, kube::Error> {
    Ok(run(client, labels, uid).await? == Run::Gone)
}

/// Whether the report of the run still exists, asked of the API server itself: a store that lags behind would make
/// an orphan of a new run.
async fn run(client: &Client, labels: &BTreeMap<String, String>, uid: &str) -> Result<Run, kube::Error> {
    let (Some(home), Some(run)) = (
        labels.get(names::TEST_NAMESPACE_LABEL),
        labels.get(names::RUN_LABEL),
    ) else {
        return Ok(Run::Gone);
    };
    let reports = Api::<RestoreReport>::namespaced(client.clone(), home);
    if let Some(report) = reports.get_metadata_opt(run).await? {
        return Ok(of(Some(&report), uid));
    }
    // A long name was cut in the label: the UID decides.
    let all = reports.list_metadata(&kube::api::ListParams::default()).await?;
    Ok(of(
        all.items.iter().find(|r| r.uid().as_deref() == Some(uid)),
        uid,
    ))
}

fn of(report: Option<&PartialObjectMeta<RestoreReport>>, uid: &str) -> Run {
    match report.filter(|report| report.uid().as_deref() == Some(uid)) {
        None => Run::Gone,
        Some(report) if names::is_held(report.finalizers()) => Run::Held,
        Some(_) => Run::Over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(expires: Option<&str>, going: bool) -> PartialObjectMeta<Namespace> {
        let mut namespace = PartialObjectMeta::<Namespace>::default();
        namespace.metadata.annotations =
            expires.map(|e| [(names::EXPIRES_AT_ANNOTATION.to_owned(), e.to_owned())].into());
        namespace.metadata.deletion_timestamp = going.then_some(
            k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH),
        );
        namespace
    }

    #[test]
    fn orphans_and_the_overdue_go_and_others_stay() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let (later, earlier) = ("2026-01-01T13:00:00Z", "2026-01-01T11:00:00Z");
        let fate_of = |expires, run| fate(&sandbox(expires, false), run, now);
        assert!(matches!(fate_of(Some(later), Run::Held), Fate::Look(Some(_))));
        assert!(matches!(fate_of(Some(later), Run::Over), Fate::Look(Some(_))));
        assert_eq!(fate_of(Some(later), Run::Gone), Fate::Remove);
        assert_eq!(fate_of(Some(earlier), Run::Over), Fate::Remove);
        assert_eq!(
            fate_of(None, Run::Over),
            Fate::Remove,
            "without a time it would stay for ever"
        );
        assert_eq!(
            fate(&sandbox(Some(later), true), Run::Held, now),
            Fate::Look(None),
            "its run does the rest"
        );
    }

    #[test]
    fn what_a_sandbox_that_goes_leaves_outside_of_it_goes_too_when_no_run_does_it() {
        let going = sandbox(Some("2026-01-01T13:00:00Z"), true);
        for run in [Run::Gone, Run::Over] {
            assert_eq!(
                fate(&going, run, Timestamp::UNIX_EPOCH),
                Fate::Follow(None),
                "{run:?}"
            );
        }
    }

    #[test]
    fn a_sandbox_that_another_product_holds_is_let_go_once_it_had_time() {
        let mut held = sandbox(None, true);
        held.metadata.finalizers = Some(vec!["foregroundDeletion".into(), "example.com/cloud".into()]);
        let soon = crate::run::observed::after(Timestamp::UNIX_EPOCH, held::PATIENCE);
        for run in [Run::Gone, Run::Over] {
            assert_eq!(fate(&held, run, Timestamp::UNIX_EPOCH), Fate::Follow(Some(soon)));
            assert_eq!(fate(&held, run, soon), Fate::Release);
        }
        let again = Fate::Look(Some(crate::run::observed::after(soon, GRACE)));
        assert_eq!(fate(&held, Run::Held, soon), again, "its run does it");
        held.metadata.finalizers = Some(vec!["foregroundDeletion".into()]);
        assert_eq!(fate(&held, Run::Gone, soon), Fate::Follow(None));
    }

    #[test]
    fn a_clock_that_is_set_takes_no_sandbox_from_its_run() {
        let now: Timestamp = "2027-01-01T12:00:00Z".parse().unwrap();
        let expired = sandbox(Some("2026-01-01T12:00:00Z"), false);
        let again = Fate::Look("2027-01-01T12:01:00Z".parse().ok());
        assert_eq!(fate(&expired, Run::Held, now), again);
    }

    #[test]
    fn a_report_holds_a_sandbox_as_long_as_it_has_our_finalizer() {
        let mut report = PartialObjectMeta::<RestoreReport>::default();
        report.metadata.uid = Some("u".into());
        assert_eq!(of(Some(&report), "u"), Run::Over);
        assert_eq!(of(Some(&report), "another run of that name"), Run::Gone);
        report.metadata.finalizers = Some(vec![names::FINALIZER.into()]);
        assert_eq!(of(Some(&report), "u"), Run::Held);
        assert_eq!(of(None, "u"), Run::Gone);
    }
}
