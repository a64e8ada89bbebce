//! The webhooks without which nothing may be restored, as the chart registers them. `default` and `validate` are none of
//! them: they look at tests, and not at what a test brings back.
//!
//! The chart's templates say the same; a test of the chart holds both against each other.

use kymaros_certs::{Condition, Configuration, Fence, Kind, Registration, Requirement, Rule};
use kymaros_crds::names;
use kymaros_webhooks::{contain::RESTORE_LABEL, neutralise::POLICIES};

/// What the conditions of the webhooks name.
#[derive(Clone, Copy, Debug)]
pub struct Installation<'a> {
    /// Name of both configurations.
    pub configuration: &'a str,
    /// The Service that they call.
    pub service: &'a str,
    /// Who the operator is to the API server.
    pub username: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The namespace of Velero.
    pub velero_namespace: &'a str,
    /// Its Lease.
    pub lease: &'a str,
    /// The Secret with its certificate.
    pub certificate_secret: &'a str,
}

const CREATE: &str = "CREATE";
const UPDATE: &str = "UPDATE";
const NAMESPACED: &str = "Namespaced";
const CLUSTER: &str = "Cluster";
const ALL: &str = "*";

const STAYS: (&str, &str) = (
    "stays",
    "!has(object.metadata) || !has(object.metadata.deletionTimestamp)",
);
const NOT_BOOKKEEPING: (&str, &str) = (
    "not-bookkeeping",
    "!(request.resource.resource in ['events', 'endpoints', 'endpointslices', 'leases'])
     && request.resource.group != 'authorization.k8s.io'",
);
const NOT_A_REVIEW: (&str, &str) = (
    "not-a-review",
    "!(request.resource.group in ['authentication.k8s.io', 'authorization.k8s.io'])",
);
const NOT_AN_EVENT: (&str, &str) = (
    "not-an-event",
    "!(request.resource.group in ['', 'events.k8s.io'] && request.resource.resource == 'events')",
);
const RESTORED_BY_US: (&str, &str) = (
    "restored-by-us",
    "has(object.metadata.labels) && 'velero.io/restore-name' in object.metadata.labels
     && object.metadata.labels['velero.io/restore-name'].matches('^kymaros-[0-9a-f]{8}-[0-9]+$')",
);
const NEWLY_RESTORED: (&str, &str) = (
    "newly-restored",
    "oldObject == null || !has(oldObject.metadata.labels)
     || !('velero.io/restore-name' in oldObject.metadata.labels)
     || oldObject.metadata.labels['velero.io/restore-name'] != object.metadata.labels['velero.io/restore-name']",
);
const MARKED: (&str, &str) = (
    "marked",
    "['kymaros.io/managed-by', 'kymaros.io/run-uid'].exists(mark,
     has(object.metadata.labels) && mark in object.metadata.labels
     ? !(oldObject != null && has(oldObject.metadata.labels) && mark in oldObject.metadata.labels
     && oldObject.metadata.labels[mark] == object.metadata.labels[mark])
     : oldObject != null && has(oldObject.metadata.labels) && mark in oldObject.metadata.labels
     && !has(object.metadata.deletionTimestamp))",
);

impl Installation<'_> {
    /// The webhooks that must be there, each with what it is registered for at least.
    #[must_use]
    pub fn fences(&self) -> Vec<Fence> {
        vec![
            self.fence(Kind::Mutating, "neutralise.kymaros.io", self.neutralise()),
            self.fence(Kind::Validating, "guard.kymaros.io", self.guard()),
            self.fence(Kind::Validating, "contain.kymaros.io", self.contain()),
            self.fence(
                Kind::Validating,
                "contain-namespaces.kymaros.io",
                self.contain_namespaces(),
            ),
            self.fence(Kind::Validating, "fence.kymaros.io", self.fence_namespaces()),
        ]
    }

    fn fence(&self, kind: Kind, webhook: &str, meant: Registration) -> Fence {
        let name = self.configuration.to_owned();
        Fence {
            configuration: Configuration { kind, name },
            webhook: webhook.to_owned(),
            meant,
        }
    }

    fn neutralise(&self) -> Registration {
        Registration {
            is_asked_again: true,
            rules: vec![
                Rule::new(&[ALL], &[ALL], &[CREATE], NAMESPACED),
                Rule::new(&[""], &["services"], &[UPDATE], NAMESPACED),
                Rule::new(&["batch"], &["cronjobs", "jobs"], &[UPDATE], NAMESPACED),
                Rule::new(
                    &POLICIES.map(|(group, _)| group),
                    &POLICIES.map(|(_, resource)| resource),
                    &[UPDATE],
                    NAMESPACED,
                ),
            ],
            namespaces: [
                Requirement::is(names::MANAGED_BY_LABEL, names::MANAGED_BY),
                Requirement::exists(names::RUN_UID_LABEL),
            ]
            .into(),
            conditions: vec![self.not_by_the_operator(), fixed(NOT_BOOKKEEPING), fixed(STAYS)],
            ..self.strict("/neutralise")
        }
    }

    fn guard(&self) -> Registration {
        let by_the_operator = Condition::new("by-the-operator", &self.is_operator());
        let (lease, secret) = (self.lease, self.certificate_secret);
        Registration {
            rules: vec![Rule::new(&[ALL], &["*/*"], &[ALL], ALL)],
            conditions: vec![
                by_the_operator,
                fixed(NOT_A_REVIEW),
                fixed(NOT_AN_EVENT),
                self.not_its("not-its-lease", "coordination.k8s.io", "leases", lease),
                self.not_its("not-its-certificate", "", "secrets", secret),
            ],
            ..self.strict("/guard")
        }
    }

    fn contain(&self) -> Registration {
        Registration {
            rules: vec![Rule::new(&[ALL], &[ALL], &[CREATE, UPDATE], ALL)],
            objects: [Requirement::exists(RESTORE_LABEL)].into(),
            conditions: vec![fixed(RESTORED_BY_US), fixed(NEWLY_RESTORED), fixed(STAYS)],
            ..self.strict("/contain")
        }
    }

    /// It is ignored on purpose when it does not answer: people restore, too.
    fn contain_namespaces(&self) -> Registration {
        let velero = self.velero_namespace;
        let by_velero = format!("request.userInfo.username.startsWith('system:serviceaccount:{velero}:')");
        Registration {
            fails_closed: false,
            rules: vec![Rule::new(&[""], &["namespaces"], &[CREATE], CLUSTER)],
            conditions: vec![Condition::new("by-velero", &by_velero)],
            ..self.strict("/contain")
        }
    }

    fn fence_namespaces(&self) -> Registration {
        let resources = ["namespaces", "namespaces/status", "namespaces/finalize"];
        Registration {
            rules: vec![Rule::new(&[""], &resources, &[CREATE, UPDATE], CLUSTER)],
            conditions: vec![fixed(MARKED), self.not_by_the_operator()],
            ..self.strict("/fence")
        }
    }

    fn strict(&self, path: &str) -> Registration {
        Registration {
            fails_closed: true,
            calls: Registration::call(self.service, self.namespace, None, path),
            ..Registration::default()
        }
    }

    fn is_operator(&self) -> String {
        format!("request.userInfo.username == '{}'", self.username)
    }

    fn not_by_the_operator(&self) -> Condition {
        Condition::new("not-by-the-operator", &format!("!({})", self.is_operator()))
    }

    /// An object that the operator needs to come up.
    fn not_its(&self, condition: &str, group: &str, resource: &str, name: &str) -> Condition {
        let namespace = self.namespace;
        let expression = format!(
            "!(request.resource.group == '{group}' && request.resource.resource == '{resource}'
             && has(request.namespace) && request.namespace == '{namespace}'
             && has(request.name) && request.name == '{name}')"
        );
        Condition::new(condition, &expression)
    }
}

fn fixed((name, expression): (&str, &str)) -> Condition {
    Condition::new(name, expression)
}
