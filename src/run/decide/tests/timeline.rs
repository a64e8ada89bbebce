//! The timeline tells where the time of a run went.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kymaros_crds::{CheckStatus, RestoreReportStatus, TimelineEntry};

use super::{super::timeline::steps, *};
use crate::{
    run::observed::{Came, Fetched, RestoreOutcome},
    velero::movers::{Fills, Mover},
    workloads::moments::Moments,
};

#[test]
fn every_phase_has_its_entry_and_follows_the_one_before_it() {
    let names = [
        "queue",
        "preparation",
        "restore",
        "start-up",
        "checks",
        "verdict",
        "cleanup",
    ];
    let world = story(Script::healthy());
    let is_phase = |entry: &&TimelineEntry| names.contains(&entry.name.as_str());
    let phases: Vec<&TimelineEntry> = world.status.timeline.iter().filter(is_phase).collect();
    let found: Vec<&str> = phases.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(found, names);
    for pair in phases.windows(2) {
        assert_eq!(pair[0].finished_at, pair[1].started_at, "{pair:?}");
    }
    assert!(phases.iter().all(|entry| entry.seconds.is_some()), "{phases:?}");
}

#[test]
fn steps_have_their_names_and_begin_and_end_when_the_cluster_says_so() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Checking);
    let mut observed = world.observe();
    let begun = world.begun;
    let at = |second: i64| begun + SignedDuration::from_secs(second);
    for restore in observed.restores.iter_mut().flatten() {
        restore.started = Some(at(0));
    }
    let mover = |from: i64, to: i64| Mover {
        namespace: "sb".into(),
        fills: Fills::Claim("data".into()),
        phase: "Completed".into(),
        message: String::new(),
        bytes_done: 1,
        bytes_total: 1,
        times: (Some(at(from)), Some(at(to))),
    };
    observed.outcomes = vec![Fetched::Here(Arc::new(RestoreOutcome {
        movers: Some(vec![mover(5, 9), mover(4, 7)]),
        ..RestoreOutcome::default()
    }))];
    observed.workloads = Some(Came {
        moments: Moments {
            created: Some(at(1)),
            all_created: Some(at(1)),
            scheduled: Some(at(2)),
            pulled: Some(at(6)),
            started: Some(at(10)),
            first_ready: Some(at(11)),
        },
        ..Came::default()
    });
    let passed = |second: i64| CheckStatus {
        passed_at: Some(MicroTime(at(second))),
        ..CheckStatus::default()
    };
    let mut status = RestoreReportStatus {
        checks: vec![passed(14), passed(13)],
        ..RestoreReportStatus::default()
    };
    steps(&mut status, &observed);
    let second = |moment: &MicroTime| moment.0.duration_since(begun).as_secs();
    let found: Vec<(&str, Option<i64>, Option<i64>)> = status
        .timeline
        .iter()
        .map(|e| {
            let (from, to) = (e.started_at.as_ref(), e.finished_at.as_ref());
            (e.name.as_str(), from.map(second), to.map(second))
        })
        .collect();
    let expected = [
        ("metadata", 0, 4),
        ("volume data", 4, 9),
        ("scheduling", 1, 2),
        ("image", 2, 6),
        ("start", 6, 10),
        ("first ready", 0, 11),
        ("first passing check", 0, 13),
    ];
    assert_eq!(
        found,
        expected.map(|(name, from, to)| (name, Some(from), Some(to)))
    );
    assert_eq!(status.timeline[1].seconds, Some(5.0));
    // The kubelet's events are lost.
    let came = observed.workloads.as_mut().unwrap();
    came.moments.pulled = None;
    let mut status = RestoreReportStatus::default();
    steps(&mut status, &observed);
    let names: Vec<&str> = status.timeline.iter().map(|e| e.name.as_str()).collect();
    assert!(
        names.contains(&"image and start") && !names.contains(&"image"),
        "{names:?}"
    );
    // Nothing has data.
    observed.outcomes.clear();
    for restore in observed.restores.iter_mut().flatten() {
        restore.completed = Some(at(8));
    }
    let mut status = RestoreReportStatus::default();
    steps(&mut status, &observed);
    assert_eq!(
        (status.timeline[0].name.as_str(), status.timeline[0].seconds),
        ("metadata", Some(8.0))
    );
}
