//! How the workloads of the world come up, and when a check of them ends.

use super::*;

/// How a workload comes up. Seconds count from when everything was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Comes {
    Up,
    /// It crashes for good.
    Crashing,
    /// It cannot begin.
    Never,
    /// It is not ready, and nobody knows whether it will be.
    Late,
    /// It is ready after so many seconds.
    After(u16),
    /// It is ready at once and crashes after so many seconds.
    Faltering {
        lives: u16,
        /// So long after the crash it is ready again and stays so, if ever.
        back: Option<u16>,
    },
}

impl Comes {
    /// Whether it is up in the end.
    pub(in super::super) fn stays(self) -> bool {
        match self {
            Self::Up | Self::After(_) => true,
            Self::Faltering { back, .. } => back.is_some(),
            Self::Crashing | Self::Never | Self::Late => false,
        }
    }
}

impl World {
    /// What is in the sandbox once it was restored.
    pub(in super::super) fn came_up(&self) -> Came {
        let web = self.workload("Deployment/web", self.script.comes);
        let beside = self.script.beside;
        let beside = beside.map(|comes| self.workload("Deployment/db", comes));
        Came {
            workloads: std::iter::once(web).chain(beside).collect(),
            ..Came::default()
        }
    }

    /// Whether a check that was begun then has ended. One that will pass is tried until the front end is up.
    pub(super) fn is_answered(&self, begun: Timestamp) -> bool {
        let comes = self.script.comes;
        let is_up = matches!(self.state(comes), WorkloadState::Ready(_));
        let waits = self.script.check_passes && comes.stays();
        self.now >= begun + seconds(self.script.check_takes) && (is_up || !waits)
    }

    fn workload(&self, object: &str, comes: Comes) -> Workload {
        let state = self.state(comes);
        let returned = match comes {
            Comes::Faltering {
                lives,
                back: Some(back),
            } => self.after_restore(lives + back).map(|at| (at, lives)),
            _ => None,
        };
        Workload {
            source: SOURCE.into(),
            object: object.into(),
            wanted: 1,
            ready: i32::from(matches!(state, WorkloadState::Ready(_))),
            state,
            restarts: i32::from(returned.is_some()),
            most_restarts: i32::from(returned.is_some()),
            outlives: returned.map(|(at, lives)| self.written(at) + seconds(lives)),
            awaits_data: false,
            claims: BTreeSet::new(),
        }
    }

    fn state(&self, comes: Comes) -> WorkloadState {
        let trouble = |what: &str| Trouble::new(Cause::Application, what);
        let pending = || WorkloadState::Pending(trouble("it is not ready"));
        let ready_after = |lapse: u16| {
            let since = self.after_restore(lapse)?;
            Some(WorkloadState::Ready(Some(self.written(since))))
        };
        match comes {
            Comes::Up => WorkloadState::Ready(self.restore.as_ref().and_then(|r| r.completed)),
            Comes::Crashing => WorkloadState::Crashed(trouble("it crashes")),
            Comes::Never => WorkloadState::Hopeless(trouble("it has no image")),
            Comes::Late => pending(),
            Comes::After(lapse) => ready_after(lapse).unwrap_or_else(pending),
            Comes::Faltering { lives, back } => match (self.after_restore(lives), back) {
                (None, _) => ready_after(0).unwrap_or_else(pending),
                (Some(_), None) => WorkloadState::Crashed(trouble("it crashed")),
                (Some(_), Some(back)) => ready_after(lives + back)
                    .unwrap_or_else(|| WorkloadState::Pending(trouble("it crashed and is started again"))),
            },
        }
    }

    /// The moment so many seconds after everything was restored, once it has come.
    fn after_restore(&self, lapse: u16) -> Option<Timestamp> {
        let moment = self.restored? + seconds(lapse);
        (moment <= self.now).then_some(moment)
    }
}
