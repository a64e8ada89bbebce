//! How long checks and workloads that stay up are waited for.

use std::sync::Arc;

use jiff::Timestamp;
use kymaros_crds::CheckResult;

use super::{
    super::{Decision, starting},
    *,
};
use crate::{
    checks::Outcome,
    run::observed::{Fetched, Observed, RestoreOutcome, Settings},
    workloads::{Trouble, Workload, WorkloadState},
};

/// What is seen once Velero restored everything: `web`, which is ready, and another one.
fn beside(world: &World, other: WorkloadState) -> Observed {
    let mut observed = world.observe();
    let mut came = world.came_up();
    let other = Workload {
        object: "Deployment/other".into(),
        ready: 0,
        state: other,
        ..came.workloads[0].clone()
    };
    came.workloads.push(other);
    observed.workloads = Some(came);
    observed.outcomes = vec![Fetched::Here(Arc::new(RestoreOutcome::default()))];
    let mut settings = Settings::clone(observed.settings.as_ref().unwrap());
    settings.test.health.settle = Duration::from_secs(10);
    observed.settings = Ok(Arc::new(settings));
    observed
}

fn restored() -> World {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Starting);
    while !world.restore.as_ref().is_some_and(|r| r.phase.is_terminal()) {
        world.advance();
    }
    world
}

fn trouble() -> Trouble {
    Trouble::new(Cause::Application, "0 of 1 pods are ready")
}

fn passed(at: Timestamp) -> Outcome {
    Outcome {
        name: "web".into(),
        passed_at: Some(at),
        at_once: None,
        duration: Duration::from_secs(1),
        message: "it answers".into(),
        could_not_look: false,
        target_missing: false,
    }
}

fn starts_checks(decision: &Decision) -> bool {
    let mut effects = decision.effects.iter();
    effects.any(|effect| matches!(effect, Effect::StartChecks { .. }))
}

#[test]
fn a_workload_that_takes_all_the_time_costs_no_check_its_try() {
    let world = restored();
    let mut observed = beside(&world, WorkloadState::Pending(trouble()));
    let begin = world.now + SignedDuration::from_mins(6);
    let decision = decide(&observed, begin);
    assert_eq!(decision.status.phase, Some(RunPhase::Checking));
    assert!(starts_checks(&decision), "{:?}", decision.effects);

    observed.status = decision.status;
    let later = |seconds: i64| begin + SignedDuration::from_secs(seconds);
    let decision = decide(&observed, later(29));
    assert_eq!(decision.status.phase, Some(RunPhase::Checking));

    let mut answered = observed.clone();
    answered.outcomes_of_checks = vec![passed(later(1))];
    let status = decide(&answered, later(1)).status;
    assert_ne!(
        status.phase,
        Some(RunPhase::Checking),
        "nothing is left to wait for"
    );
    assert_eq!(status.checks[0].status, CheckResult::Pass);

    let status = decide(&observed, later(30)).status;
    assert_ne!(status.phase, Some(RunPhase::Checking));
    assert_eq!(status.checks[0].status, CheckResult::Fail, "it had its time");

    // What comes up meanwhile has to stay up as at any other time.
    let came = answered.workloads.as_mut().unwrap();
    came.workloads[1].state = WorkloadState::Ready(Some(later(2)));
    let phase = |seconds: i64| decide(&answered, later(seconds)).status.phase;
    assert_eq!(phase(5), Some(RunPhase::Checking));
    assert_ne!(phase(14), Some(RunPhase::Checking));
}

#[test]
fn checks_that_begin_just_in_time_have_no_less_than_those_that_begin_late() {
    let world = restored();
    let mut observed = beside(&world, WorkloadState::Hopeless(trouble()));
    let deadline = starting::deadline(&observed, observed.settings.as_ref().unwrap(), world.now);
    let begin = deadline - SignedDuration::from_secs(2);
    observed.status = decide(&observed, begin).status;
    assert_eq!(observed.status.phase, Some(RunPhase::Checking));
    let phase = |seconds: i64| {
        let at = begin + SignedDuration::from_secs(seconds);
        decide(&observed, at).status.phase
    };
    assert_eq!(phase(29), Some(RunPhase::Checking));
    assert_ne!(phase(30), Some(RunPhase::Checking));
}

#[test]
fn beside_one_that_never_comes_the_others_have_to_stay_up() {
    let world = restored();
    let ready = world.came_up().last_ready().unwrap();
    let later = |seconds: i64| ready + SignedDuration::from_secs(seconds);
    for state in [
        WorkloadState::Hopeless(trouble()),
        WorkloadState::Crashed(trouble()),
    ] {
        let mut observed = beside(&world, state);
        observed.outcomes_of_checks = vec![passed(later(1))];
        let phase = |at| decide(&observed, at).status.phase;
        assert_eq!(phase(later(5)), Some(RunPhase::Checking), "it may still crash");
        assert_ne!(phase(later(12)), Some(RunPhase::Checking));
    }
}
