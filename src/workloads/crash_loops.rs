//! When a crash loop is for good.

use std::time::Duration;

use super::{Workload, WorkloadState};
use crate::run::observed::after;

/// What a workload needs can be reached this long after it is ready at the latest: DNS may remember for half a minute that
/// a name did not exist.
const REACHABLE: Duration = Duration::from_secs(30);

/// A workload in a crash loop may only need another of the run, in whatever sandbox, that is still starting. It is for
/// good when nothing else is starting, and it has tried again since the last of the others became ready.
pub fn settle(workloads: &mut [Workload]) {
    let is_starting = |w: &Workload| matches!(w.state, WorkloadState::Pending(_));
    if workloads.iter().any(is_starting) {
        return;
    }
    let others_ready = workloads.iter().filter_map(Workload::ready_since).max();
    for workload in workloads {
        if let WorkloadState::Crashing { trouble, tried } = &workload.state {
            let tried_since =
                others_ready.is_none_or(|ready| tried.is_some_and(|at| at > after(ready, REACHABLE)));
            if tried_since {
                workload.state = WorkloadState::Crashed(trouble.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workloads::Trouble;
    use kymaros_crds::Cause;

    fn workload(state: WorkloadState) -> Workload {
        Workload {
            source: "shop".into(),
            object: "Deployment/web".into(),
            wanted: 1,
            ready: 0,
            state,
            restarts: 5,
            most_restarts: 5,
            outlives: None,
            awaits_data: false,
            claims: BTreeSet::new(),
        }
    }

    fn crashing(tried: &str) -> Workload {
        workload(WorkloadState::Crashing {
            trouble: Trouble::new(Cause::Application, "exits"),
            tried: tried.parse().ok(),
        })
    }

    fn is_for_good(mut all: Vec<Workload>) -> bool {
        settle(&mut all);
        matches!(all[0].state, WorkloadState::Crashed(_))
    }

    #[test]
    fn it_is_for_good_when_nothing_is_left_to_wait_for() {
        assert!(is_for_good(vec![crashing("2026-01-01T00:00:10Z")]));
        let other = workload(WorkloadState::Hopeless(Trouble::new(Cause::Application, "gone")));
        assert!(is_for_good(vec![crashing("2026-01-01T00:00:10Z"), other]));
    }

    #[test]
    fn it_is_not_while_something_else_is_starting() {
        let other = workload(WorkloadState::Pending(Trouble::new(Cause::Application, "slow")));
        assert!(!is_for_good(vec![crashing("2026-01-01T00:00:10Z"), other]));
    }

    #[test]
    fn it_gets_another_try_once_the_others_are_ready() {
        let ready = || workload(WorkloadState::Ready("2026-01-01T00:00:20Z".parse().ok()));
        assert!(!is_for_good(vec![crashing("2026-01-01T00:00:10Z"), ready()]));
        assert!(!is_for_good(vec![crashing("2026-01-01T00:00:45Z"), ready()]));
        assert!(is_for_good(vec![crashing("2026-01-01T00:01:00Z"), ready()]));
        assert!(!is_for_good(vec![crashing("unknown"), ready()]));
    }
}
