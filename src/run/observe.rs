//! Taking the snapshot: from stores and the run's memory. Only cleanup, and a run that misses its backup or its sandbox,
//! ask the API server itself.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Resource, ResourceExt, api::ListParams, runtime::reflector::ObjectRef};
use kymaros_crds::{RestoreReport, RestoreTest, RunPhase, domain, domain::Test, names};

use super::{
    clock::{RunClock, newest_moment},
    controller::RunContext,
    decide::start_over,
    memory::RunMemory,
    observed::{Came, Observed, Origin, RestoreSeen, Settings},
    plan,
    queue::{self, Entry},
};
use crate::{
    admission::AdmissionState,
    checks::Target,
    sandbox::{leftovers::leftovers, naming::RunIdentity, remove::OwnedSandbox},
    velero::{
        Backup, Restore,
        choose::{self, Chosen, NoBackup},
        restore::{RestorePhase, run_of, timestamp},
        server,
    },
    workloads::{outside::Outside, references::Form},
};

/// Names and UIDs of a run.
#[must_use]
pub fn identity(report: &RestoreReport) -> RunIdentity {
    RunIdentity {
        run: report.name_any(),
        uid: report.uid().unwrap_or_default(),
        test: report.spec.test_ref.clone(),
        namespace: report.namespace().unwrap_or_default(),
        attempt: start_over::attempt(report.status.as_ref().and_then(|s| s.attempt)),
    }
}

/// Starts the time of a run, or goes on with it after a restart.
#[must_use]
pub fn clock(report: &RestoreReport) -> RunClock {
    let written = report.status.as_ref().and_then(newest_moment);
    let created = report.creation_timestamp().map(|t| t.0);
    RunClock::start(created.or(written).unwrap_or(Timestamp::MIN), written)
}

/// Takes the snapshot of a run.
///
/// # Errors
/// When the API server does not answer while cleanup is under way.
pub async fn observe(
    context: &RunContext,
    memory: &RunMemory,
    report: &RestoreReport,
    now: Timestamp,
) -> Result<Observed, kube::Error> {
    let identity = identity(report);
    let status = report.status.clone().unwrap_or_default();
    let settings = settings(report).map(Arc::new);
    let test = settings.as_ref().ok().map(|s| &s.test);
    let sources = test.map_or(0, |t| t.sources.len());
    let backups = context.backups.state();
    let targets = test.map(|t| plan::targets(&identity, t)).unwrap_or_default();
    let mut observed = Observed {
        deleting: report.metadata.deletion_timestamp.is_some(),
        has_finalizer: names::is_held(report.finalizers()),
        origin: origin(report),
        place: place(context, &identity.uid),
        chosen: test
            .iter()
            .flat_map(|t| &t.sources)
            .map(|source| choose::choose(backups.iter().map(AsRef::as_ref), source, now))
            .collect(),
        lost_backups: Vec::new(),
        contents: (0..sources).map(|i| memory.contents.get(i)).collect(),
        sources: (0..sources).map(|i| memory.sources.get(i)).collect(),
        restores: (0..sources)
            .map(|i| restore(context, &memory.clock, &identity, i))
            .collect(),
        outcomes: (0..sources).map(|i| memory.outcomes.get(i)).collect(),
        untamed: (0..sources).map(|i| memory.untamed.get(i)).collect(),
        velero_is_down: context
            .velero
            .find(server::is_server)
            .is_some_and(|server| server::is_down(&server)),
        delays: (0..sources).map(|i| memory.delays.get(i)).collect(),
        workloads: came(context, memory, &targets),
        looks_since: memory.clock.looks_since(),
        watched_since: memory.watched_since(),
        outcomes_of_checks: memory.ended_checks(),
        obstacle: memory.obstacle(),
        logs: memory.logs.get(0),
        going: Vec::new(),
        freed: memory.freed(),
        refused: memory.refused(),
        leftovers: None,
        identity,
        status,
        settings,
    };
    if lacks_backup(&observed) {
        observed.chosen = chosen_from_the_cluster(context, &observed, now).await?;
    }
    observed.lost_backups = lost_backups(context, &observed).await?;
    if observed.deleting || observed.status.phase == Some(RunPhase::CleaningUp) {
        let mut sandboxes: Vec<String> = observed.status.sandboxes.iter().map(|s| s.name.clone()).collect();
        sandboxes.extend(targets.into_iter().map(|t| t.sandbox));
        sandboxes.sort();
        sandboxes.dedup();
        // What comes after the list would stay.
        memory.end_downloads().await;
        let uid = &observed.identity.uid;
        let mut left = leftovers(&context.client, &context.velero_namespace, uid, &sandboxes).await?;
        for held in &mut left.held {
            held.since = memory.clock.place_past(held.since);
        }
        observed.leftovers = Some(left);
    } else {
        observed.going = going(context, &observed).await?;
    }
    Ok(observed)
}

/// The test that a report was made for, as its owner.
pub(super) fn owner(report: &RestoreReport) -> Option<&OwnerReference> {
    let mut owners = report.owner_references().iter();
    owners.find(|owner| owner.kind == RestoreTest::kind(&()))
}

fn origin(report: &RestoreReport) -> Origin {
    owner(report).map_or(Origin::Stray, |_| Origin::Test)
}

/// Sandboxes that somebody deletes. A store may still show the one of an earlier try: the API server knows.
async fn going(context: &RunContext, observed: &Observed) -> Result<Vec<String>, kube::Error> {
    let mut going = Vec::new();
    for sandbox in &observed.status.sandboxes {
        let known = context.namespaces.get(&ObjectRef::new(&sandbox.name));
        let seems_so = known.is_some_and(|n| n.metadata.deletion_timestamp.is_some());
        let uid = &observed.identity.uid;
        if seems_so && OwnedSandbox::is_going(&context.client, &sandbox.name, uid).await? {
            going.push(sandbox.name.clone());
        }
    }
    Ok(going)
}

/// Whether a run is about to end because there is no backup for it.
fn lacks_backup(observed: &Observed) -> bool {
    let is_first = observed.status.sources.is_empty();
    let chooses = match observed.status.phase {
        Some(RunPhase::Preparing) => is_first,
        Some(RunPhase::Queued) => !is_first && observed.place == queue::QueuePlace::Turn,
        _ => false,
    };
    chooses && observed.chosen.iter().any(Result::is_err)
}

/// Chosen backups that somebody deletes, or that expired, with nothing restored from them yet.
async fn lost_backups(context: &RunContext, observed: &Observed) -> Result<Vec<String>, kube::Error> {
    let mut lost = Vec::new();
    if !matches!(
        observed.status.phase,
        Some(RunPhase::Preparing | RunPhase::Restoring)
    ) {
        return Ok(lost);
    }
    let backups = Api::<Backup>::namespaced(context.client.clone(), &context.velero_namespace);
    for (source, restore) in observed.status.sources.iter().zip(&observed.restores) {
        let name = &source.name;
        let is_there = |backup: &Backup| backup.name_any() == *name && choose::is_usable(backup);
        let asks = match restore {
            None => context.backups.find(is_there).is_none(),
            // Velero may have missed what the store still has.
            Some(restore) => restore.has_failed(),
        };
        if !asks {
            continue;
        }
        let named = ListParams::default().fields(&format!("metadata.name={name}"));
        if !backups.list(&named).await?.iter().any(is_there) {
            lost.push(name.clone());
        }
    }
    Ok(lost)
}

/// A store may be behind, and a backup that it does not have yet is no lost one: the API server knows.
async fn chosen_from_the_cluster(
    context: &RunContext,
    observed: &Observed,
    now: Timestamp,
) -> Result<Vec<Result<Chosen, NoBackup>>, kube::Error> {
    let backups = Api::<Backup>::namespaced(context.client.clone(), &context.velero_namespace);
    let backups = backups.list(&ListParams::default()).await?.items;
    let sources = observed.settings.iter().flat_map(|s| &s.test.sources);
    Ok(sources
        .map(|source| choose::choose(&backups, source, now))
        .collect())
}

/// What came up.
fn came(context: &RunContext, memory: &RunMemory, targets: &[Target]) -> Option<Came> {
    let mut came = memory.came(targets.len().max(1))?;
    let is_namespace = |name: &str| {
        targets.iter().any(|t| t.source == name) || context.namespaces.get(&ObjectRef::new(name)).is_some()
    };
    keep_what_is_meant(&mut came, is_namespace);
    Some(came)
}

/// A short name, such as `db.data`, is a Service only if there is a namespace `data`, or the test restores one; else it may be
/// a host outside. Where a host is expected it is one or the other, however it is written.
fn keep_what_is_meant(came: &mut Came, is_namespace: impl Fn(&str) -> bool) {
    came.references.retain(|(_, reference)| {
        reference.to.form == Form::Qualified || is_namespace(&reference.to.namespace)
    });
    let (services, outside) = std::mem::take(&mut came.outside)
        .into_iter()
        .partition(|(_, outside)| outside.namespace().is_some_and(&is_namespace));
    came.outside = outside;
    let services: Vec<(String, Outside)> = services;
    for (source, outside) in services {
        let Some(named) = outside.service() else { continue };
        let is_known = came.references.iter().any(|(of, known)| {
            let is_same =
                (&known.to.service, &known.to.namespace) == (&named.to.service, &named.to.namespace);
            *of == source && is_same && known.by.may_concern(&outside.from)
        });
        if !is_known {
            came.references.push((source, named));
        }
    }
}

/// Parses the frozen spec; the same conversion that admitted the test.
fn settings(report: &RestoreReport) -> Result<Settings, String> {
    let spec = report
        .spec
        .test
        .as_ref()
        .ok_or("the report carries no copy of its test's spec")?;
    let test = Test::try_from(spec).map_err(|error| error.to_string())?;
    let policy = report
        .spec
        .policy
        .as_ref()
        .map(|p| domain::parse_checks(&p.checks, "spec.checks"));
    let named = test.health.policy.as_deref().unwrap_or("of the test");
    let policy = policy
        .transpose()
        .map_err(|error| format!("HealthCheckPolicy {named}: {error}"))?
        .unwrap_or_default();
    let checks = domain::merge_checks(policy, &test.health.checks);
    let missing_policy = test
        .health
        .policy
        .clone()
        .filter(|_| report.spec.policy.is_none());
    Ok(Settings {
        test,
        checks,
        missing_policy,
        previous: report.spec.previous.clone(),
    })
}

fn restore(
    context: &RunContext,
    clock: &RunClock,
    identity: &RunIdentity,
    index: usize,
) -> Option<RestoreSeen> {
    let name = identity.restore(index);
    let found = context.restores.find(|r| {
        r.metadata.name.as_deref() == Some(&name)
            && r.labels()
                .get(names::RUN_UID_LABEL)
                .is_some_and(|u| *u == identity.uid)
    })?;
    let status = found.status.clone().unwrap_or_default();
    let mut reasons = status.validation_errors.unwrap_or_default();
    reasons.extend(status.failure_reason);
    let moment = |text: &Option<String>| timestamp(text.as_deref()).map(|t| clock.place(t));
    Some(RestoreSeen {
        phase: RestorePhase::of(&found),
        phase_text: status.phase.unwrap_or_default(),
        started: moment(&status.start_timestamp),
        completed: moment(&status.completion_timestamp),
        errors: status.errors.unwrap_or_default(),
        warnings: status.warnings.unwrap_or_default(),
        progress: status.progress.map(|p| {
            (
                p.items_restored.unwrap_or_default(),
                p.total_items.unwrap_or_default(),
            )
        }),
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
    })
}

fn place(context: &RunContext, uid: &str) -> queue::QueuePlace {
    let whole = context.unfinished().filter_map(|r| r.whole());
    let entries: Vec<Entry> = whole.map(|r| entry(&r)).collect();
    queue::place(uid, &entries, held(context), context.concurrent_runs)
}

/// Why no run may go to Velero now. Somebody may be recovering for real, and tests step aside; and without admission
/// nothing would keep copies harmless.
fn held(context: &RunContext) -> Option<String> {
    if let AdmissionState::Missing(why) = &*context.admission.borrow() {
        return Some(format!(
            "the webhooks that fence sandboxes are not in place: {why}"
        ));
    }
    let foreign = context
        .restores
        .find(|r| is_foreign(r) && RestorePhase::of(r).occupies_worker())?;
    Some(format!(
        "restore {} is not a test and goes first",
        foreign.name_any()
    ))
}

/// The phase of a run as stored. None means it was just made; a report of 0.6.9 has none either, and is over.
#[must_use]
pub fn phase(report: &RestoreReport) -> RunPhase {
    let status = report.status.as_ref();
    let unknown = if status.is_some_and(|s| s.completed_at.is_some()) {
        RunPhase::Completed
    } else {
        RunPhase::Queued
    };
    status.and_then(|s| s.phase).unwrap_or(unknown)
}

/// Whether a run has ended and nothing is left to clean up.
#[must_use]
pub fn is_over(report: &RestoreReport) -> bool {
    phase(report) == RunPhase::Completed && !names::is_held(report.finalizers())
}

fn entry(report: &RestoreReport) -> Entry {
    let created = report.creation_timestamp().map(|t| t.0);
    Entry {
        uid: report.uid().unwrap_or_default(),
        run: report.name_any(),
        planned: report
            .spec
            .scheduled_for
            .as_ref()
            .map(|t| t.0)
            .or(created)
            .unwrap_or(Timestamp::MAX),
        phase: phase(report),
    }
}

/// A Restore that Kymaros did not make: perhaps a real recovery.
#[must_use]
pub fn is_foreign(restore: &Restore) -> bool {
    run_of(restore).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::{
        outside::Need,
        references::{Name, Namer, Reference},
    };
    use serde_json::json;

    fn report(spec: &serde_json::Value) -> RestoreReport {
        let mut whole = json!({ "testRef": "shop", "test": {
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
            "schedule": { "cron": "0 3 * * *" }, "sandbox": {} } });
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(json!({ "metadata": { "name": "r" }, "spec": whole })).unwrap()
    }

    #[test]
    fn what_was_stored_before_it_was_checked_is_named_and_stops_nothing_else() {
        assert!(settings(&report(&json!({}))).is_ok());
        let matches = |pattern: &str| {
            let check = json!({ "name": "odd", "type": "exec", "exec": {
                "podSelector": { "app": "web" }, "command": ["true"], "stdoutMatches": pattern } });
            settings(&report(&json!({ "policy": { "checks": [check] } }))).err()
        };
        assert_eq!(matches("^ok$"), None);
        let error = matches("([").unwrap();
        assert!(
            error.starts_with("HealthCheckPolicy of the test: spec.checks[0].exec.stdoutMatches"),
            "{error}"
        );
    }

    #[test]
    fn a_short_name_is_a_service_where_there_is_such_a_namespace_and_a_host_elsewhere() {
        let reference = |namespace: &str, form| {
            let by = Namer::Workload("Deployment/web".to_owned());
            let (service, namespace) = ("db".to_owned(), namespace.to_owned());
            let to = Name {
                service,
                namespace,
                form,
            };
            ("shop".to_owned(), Reference { by, to })
        };
        let host = |name: &str| {
            let (from, need) = ("Deployment/web".to_owned(), Need::Host(name.to_owned()));
            ("shop".to_owned(), Outside { from, need })
        };
        let mut came = Came {
            references: vec![
                reference("data", Form::Short),
                reference("com", Form::Short),
                reference("gone", Form::Qualified),
            ],
            outside: vec![
                host("db.data"),
                host("db.fast"),
                host("db.com"),
                host("db.example.com"),
            ],
            ..Came::default()
        };
        keep_what_is_meant(&mut came, |name| matches!(name, "data" | "fast"));
        assert_eq!(
            came.references,
            [
                reference("data", Form::Short),
                reference("gone", Form::Qualified),
                reference("fast", Form::Short),
            ],
            "a host that is a Service is one, however it was written"
        );
        assert_eq!(came.outside, [host("db.com"), host("db.example.com")]);
    }

    #[test]
    fn a_report_without_its_copy_of_the_spec_says_so() {
        let error = settings(&report(&json!({ "test": null }))).unwrap_err();
        assert!(error.contains("no copy"), "{error}");
    }
}
