//! What the operator sees of the world.

use super::*;
use crate::sandbox::untamed::Untamed;

impl World {
    pub(in super::super) fn observe(&self) -> Observed {
        let chosen = Chosen {
            name: self.backup.into(),
            schedule: None,
            phase: "Completed".into(),
            started: Some(self.now - Duration::from_mins(1)),
            omits_volumes: false,
            location: Some("default".into()),
        };
        let place = match (self.foreign, self.phase()) {
            (true, RunPhase::Queued | RunPhase::Preparing | RunPhase::Restoring) => QueuePlace::Waiting {
                position: 1,
                reason: "a foreign restore".into(),
            },
            _ => QueuePlace::Turn,
        };
        let looks = self.deleting || self.phase() == RunPhase::CleaningUp;
        Observed {
            identity: RunIdentity {
                attempt: start_over::attempt(self.status.attempt),
                ..identity()
            },
            status: self.status.clone(),
            deleting: self.deleting,
            has_finalizer: !self.released,
            origin: self.origin,
            settings: if self.unreadable {
                Err("spec.healthChecks.checks[0]: odd".into())
            } else {
                Ok(self.settings.clone())
            },
            place,
            chosen: vec![if self.script.has_backup {
                Ok(chosen)
            } else {
                Err(NoBackup::NoneFound("for namespace shop".into()))
            }],
            lost_backups: self.lost_backups(),
            contents: vec![self.fetched(self.has_contents(), contents())],
            sources: vec![if self.memory.looked {
                Fetched::Here(Arc::new(source_objects()))
            } else {
                Fetched::Pending
            }],
            restores: vec![self.restore.clone().map(|restore| RestoreSeen {
                started: restore.started.map(|t| self.place(t)),
                completed: restore.completed.map(|t| self.place(t)),
                ..restore
            })],
            outcomes: vec![self.fetched(self.memory.outcome, self.outcome())],
            untamed: vec![if self.memory.untamed {
                Fetched::Here(Arc::new(self.untamed()))
            } else {
                Fetched::Pending
            }],
            velero_is_down: self.velero_is_down,
            delays: vec![if let Some(was_read) = self.memory.asked_delay {
                Fetched::Here(Arc::new(Delay {
                    movers: vec![],
                    storage_is_away: was_read && self.storage_is_down,
                }))
            } else {
                Fetched::Pending
            }],
            workloads: self
                .memory
                .watching
                .filter(|_| self.script.watches_work)
                .map(|_| self.came()),
            looks_since: self
                .memory
                .time
                .as_ref()
                .map_or(self.now, |(_, time)| time.borrow().begun()),
            watched_since: self.memory.watching,
            outcomes_of_checks: self.checks(),
            obstacle: self.memory.no_sandbox.then(|| Obstacle {
                reason: crate::reason::RunReason::SandboxDeleted,
                message: "a sandbox is gone".into(),
            }),
            logs: Fetched::Pending,
            going: self
                .sandboxes
                .iter()
                .filter(|(_, sandbox)| sandbox.asked.is_some() && !looks)
                .map(|(name, _)| name.clone())
                .collect(),
            freed: self.memory.freed.clone(),
            refused: self.memory.refused.clone(),
            leftovers: looks.then(|| self.leftovers()),
        }
    }

    fn has_contents(&self) -> bool {
        let steps = self.memory.asked_contents;
        steps.is_some_and(|steps| steps > self.script.contents_are_late)
    }

    fn lost_backups(&self) -> Vec<String> {
        let looks = matches!(self.phase(), RunPhase::Preparing | RunPhase::Restoring);
        let is_needed = self.restore.as_ref().is_none_or(RestoreSeen::has_failed);
        if self.script.has_backup || !looks || !is_needed {
            return vec![];
        }
        self.status.sources.iter().map(|s| s.name.clone()).collect()
    }

    fn fetched<T>(&self, here: bool, value: T) -> Fetched<T> {
        match (here, self.script.has_artifacts) {
            (false, _) => Fetched::Pending,
            (true, true) => Fetched::Here(Arc::new(value)),
            (true, false) => Fetched::Unavailable("unreachable".into()),
        }
    }

    fn outcome(&self) -> RestoreOutcome {
        let sandbox = plan::mapping(&identity(), &self.settings.test, 0)
            .remove(SOURCE)
            .unwrap();
        let mut objects = contents().objects.remove(SOURCE).unwrap();
        if self.escapes {
            objects.insert(ObjectId {
                kind: "networking.k8s.io/v1/NetworkPolicy".into(),
                name: "open".into(),
            });
        }
        let present = objects.into_iter().map(|o| (o, ItemAction::Present)).collect();
        let mut outcome = RestoreOutcome {
            restored: RestoredObjects {
                objects: [(sandbox.clone(), present)].into(),
                ..RestoredObjects::default()
            },
            movers: Some(vec![]),
            operations: Some(vec![]),
            ..Default::default()
        };
        if self.is_disturbed() {
            let refused = "error restoring secrets/sb/s: Internal error occurred: failed calling webhook \"contain.kymaros.io\": EOF";
            outcome.results.errors.namespaces = Some([(sandbox, vec![refused.to_owned()])].into());
        }
        outcome
    }

    /// What is not harmless in its sandboxes.
    pub(in super::super) fn untamed(&self) -> Vec<Untamed> {
        let wild = self.sandboxes.keys().filter(|_| self.is_wild);
        wild.map(|sandbox| Untamed {
            sandbox: sandbox.clone(),
            object: "CronJob/mailer".into(),
            fields: vec!["spec.suspend".into()],
        })
        .collect()
    }

    fn came(&self) -> Came {
        let restored = self.restore.as_ref().is_some_and(|r| r.phase.is_terminal());
        let there = restored && self.sandboxes.values().any(|s| s.asked.is_none());
        let mut came = if there { self.came_up() } else { Came::default() };
        let placed = came.workloads.into_iter().map(|w| w.placed(|t| self.place(t)));
        came.workloads = placed.collect();
        came
    }

    fn checks(&self) -> Vec<Outcome> {
        let outcome = Outcome {
            name: "web".into(),
            passed_at: self.script.check_passes.then(|| self.run_time()),
            at_once: self.script.check_passes.then_some(Duration::from_millis(5)),
            duration: Duration::from_millis(5),
            message: "seen".into(),
            could_not_look: false,
            target_missing: false,
        };
        if self.memory.checked {
            vec![outcome]
        } else {
            vec![]
        }
    }
}

/// Has a kind that the operator may not list.
fn source_objects() -> SourceObjects {
    SourceObjects {
        unlisted: ["widgets.example.com".to_owned()].into(),
        ..SourceObjects::default()
    }
}
