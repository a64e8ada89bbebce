//! What `up` does, given what it finds. No side effects.

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Anything of a cluster exists: a state folder or processes.
    pub exists: bool,
    /// The machine's first process lives.
    pub machine_alive: bool,
    /// An earlier `up` went through to its end.
    pub complete: bool,
    /// The identity that the running cluster was started with.
    pub identity: Option<String>,
    /// What does not work, in words.
    pub broken: Vec<String>,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// All is well.
    Nothing,
    /// Bring these parts back; the rest stays.
    Repair(Vec<String>),
    /// Remove what is there, for this reason, and start anew.
    Replace(String),
    /// Start; nothing is there.
    Start,
}

/// Chooses. `wanted` is the identity of the cluster that this program starts.
#[must_use]
pub fn decide(observed: &Observed, wanted: &str) -> Action {
    let replace = |reason: &str| Action::Replace(reason.to_owned());
    if !observed.exists {
        Action::Start
    } else if !observed.machine_alive {
        replace("the machine has ended")
    } else if !observed.complete {
        replace("an earlier start was broken off")
    } else if observed.identity.as_deref() != Some(wanted) {
        replace("the running cluster is of another version")
    } else if observed.broken.is_empty() {
        Action::Nothing
    } else {
        Action::Repair(observed.broken.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Observed {
        Observed {
            exists: true,
            machine_alive: true,
            complete: true,
            identity: Some("one".into()),
            broken: vec![],
        }
    }

    #[test]
    fn every_state_has_its_action() {
        let cases = [
            ("healthy", healthy(), Action::Nothing),
            (
                "nothing there",
                Observed {
                    exists: false,
                    machine_alive: false,
                    complete: false,
                    identity: None,
                    broken: vec![],
                },
                Action::Start,
            ),
            (
                "a part died",
                Observed {
                    broken: vec!["etcd".into()],
                    ..healthy()
                },
                Action::Repair(vec!["etcd".into()]),
            ),
            (
                "the machine died, and so everything in it",
                Observed {
                    machine_alive: false,
                    broken: vec!["etcd".into()],
                    ..healthy()
                },
                Action::Replace("the machine has ended".into()),
            ),
            (
                "broken off",
                Observed {
                    complete: false,
                    ..healthy()
                },
                Action::Replace("an earlier start was broken off".into()),
            ),
            (
                "state folder removed under a running machine",
                Observed {
                    complete: false,
                    identity: None,
                    ..healthy()
                },
                Action::Replace("an earlier start was broken off".into()),
            ),
            (
                "other version, broken or not",
                Observed {
                    identity: Some("two".into()),
                    broken: vec!["etcd".into()],
                    ..healthy()
                },
                Action::Replace("the running cluster is of another version".into()),
            ),
        ];
        for (name, observed, action) in cases {
            assert_eq!(decide(&observed, "one"), action, "{name}");
        }
    }
}
