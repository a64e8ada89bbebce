//! What was restored and is not in its sandbox.

use std::sync::Arc;

use super::*;
use crate::{
    run::{
        observed::{Fetched, RestoreOutcome},
        plan,
    },
    velero::results::{ItemAction, ObjectId, RestoredObjects},
};

#[test]
fn a_restored_pod_is_there_whoever_answers_for_it_and_waited_for_when_it_is_not() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Starting);
    let mut observed = world.observe();
    let test = &observed.settings.as_ref().unwrap().test;
    let mapping = plan::mapping(&observed.identity, test, 0);
    let (source, sandbox) = mapping.first_key_value().unwrap();
    let toolbox = ObjectId {
        kind: "v1/Pod".into(),
        name: "toolbox".into(),
    };
    let restored = RestoredObjects {
        objects: [(sandbox.clone(), [(toolbox, ItemAction::Present)].into())].into(),
        ..RestoredObjects::default()
    };
    observed.outcomes = vec![Fetched::Here(Arc::new(RestoreOutcome {
        restored,
        ..RestoreOutcome::default()
    }))];
    let mut came = world.came_up();
    observed.workloads = Some(came.clone());
    let gone = (source.clone(), "Pod/toolbox".to_owned());
    assert_eq!(observed.absent_workloads(&mapping), std::slice::from_ref(&gone));
    assert_eq!(
        decide(&observed, world.now).status.phase,
        Some(RunPhase::Starting)
    );
    came.pods.insert(gone);
    observed.workloads = Some(came);
    assert!(observed.absent_workloads(&mapping).is_empty());
    assert_eq!(
        decide(&observed, world.now).status.phase,
        Some(RunPhase::Checking)
    );
}
