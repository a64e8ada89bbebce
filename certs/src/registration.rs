//! What a webhook is registered for, in one form, however it is written.

use std::{collections::BTreeSet, fmt};

use k8s_openapi::{
    api::admissionregistration::v1::{
        MatchCondition, MutatingWebhook, RuleWithOperations, ValidatingWebhook, WebhookClientConfig,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

/// What stands for everything.
const ALL: &str = "*";
/// The port of a Service that is called when none is named.
const PORT: i32 = 443;

/// What a webhook is registered for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// What it cannot answer is refused.
    pub fails_closed: bool,
    /// What others change after it is shown to it again.
    pub is_asked_again: bool,
    /// Who is asked, as [`Registration::call`] writes it.
    pub calls: String,
    /// Which kinds it is asked about.
    pub rules: Vec<Rule>,
    /// In which namespaces; every one of these narrows that.
    pub namespaces: BTreeSet<Requirement>,
    /// About which objects; every one of these narrows that.
    pub objects: BTreeSet<Requirement>,
    /// Under which conditions; every one of these narrows that.
    pub conditions: Vec<Condition>,
}

/// Kinds, and what happens to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<String>,
    scope: String,
}

/// One kind and one thing that happens to it.
#[derive(Clone, Copy)]
pub(crate) struct One<'a> {
    group: &'a str,
    resource: &'a str,
    pub(crate) operation: &'a str,
    rule: &'a Rule,
}

/// What a selector asks of a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    key: String,
    operator: String,
    values: BTreeSet<String>,
}

/// An expression that decides whether a webhook is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// The expression, with single spaces: how it is broken into lines does not count.
    pub expression: String,
}

impl Registration {
    /// A path of a Service.
    #[must_use]
    pub fn call(service: &str, namespace: &str, port: Option<i32>, path: &str) -> String {
        let (port, path) = (port.unwrap_or(PORT), path.trim_start_matches('/'));
        format!("{service}.{namespace}.svc:{port}/{path}")
    }
}

impl From<&ValidatingWebhook> for Registration {
    fn from(webhook: &ValidatingWebhook) -> Self {
        Self {
            fails_closed: fails_closed(webhook.failure_policy.as_deref()),
            is_asked_again: false,
            calls: called(&webhook.client_config),
            rules: rules(webhook.rules.as_deref()),
            namespaces: requirements(webhook.namespace_selector.as_ref()),
            objects: requirements(webhook.object_selector.as_ref()),
            conditions: conditions(webhook.match_conditions.as_deref()),
        }
    }
}

impl From<&MutatingWebhook> for Registration {
    fn from(webhook: &MutatingWebhook) -> Self {
        Self {
            fails_closed: fails_closed(webhook.failure_policy.as_deref()),
            is_asked_again: webhook.reinvocation_policy.as_deref() == Some("IfNeeded"),
            calls: called(&webhook.client_config),
            rules: rules(webhook.rules.as_deref()),
            namespaces: requirements(webhook.namespace_selector.as_ref()),
            objects: requirements(webhook.object_selector.as_ref()),
            conditions: conditions(webhook.match_conditions.as_deref()),
        }
    }
}

fn fails_closed(policy: Option<&str>) -> bool {
    policy.is_none_or(|policy| policy == "Fail")
}

fn called(client: &WebhookClientConfig) -> String {
    let Some(service) = &client.service else {
        return client.url.clone().unwrap_or_default();
    };
    let path = service.path.as_deref().unwrap_or_default();
    Registration::call(&service.name, &service.namespace, service.port, path)
}

fn rules(rules: Option<&[RuleWithOperations]>) -> Vec<Rule> {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let rule = |rule: &RuleWithOperations| Rule {
        groups: list(&rule.api_groups),
        versions: list(&rule.api_versions),
        resources: list(&rule.resources),
        operations: list(&rule.operations),
        scope: rule.scope.clone().unwrap_or_else(|| ALL.to_owned()),
    };
    rules.into_iter().flatten().map(rule).collect()
}

fn requirements(selector: Option<&LabelSelector>) -> BTreeSet<Requirement> {
    let labels = selector.and_then(|s| s.match_labels.as_ref());
    let labels = labels.into_iter().flatten();
    let expressions = selector.and_then(|s| s.match_expressions.as_ref());
    let expressions = expressions.into_iter().flatten();
    let expressions = expressions.map(|e| Requirement {
        key: e.key.clone(),
        operator: e.operator.clone(),
        values: e.values.iter().flatten().cloned().collect(),
    });
    labels
        .map(|(key, value)| Requirement::is(key, value))
        .chain(expressions)
        .collect()
}

fn conditions(conditions: Option<&[MatchCondition]>) -> Vec<Condition> {
    let conditions = conditions.into_iter().flatten();
    conditions
        .map(|c| Condition::new(&c.name, &c.expression))
        .collect()
}

impl Rule {
    /// Of all versions.
    #[must_use]
    pub fn new(groups: &[&str], resources: &[&str], operations: &[&str], scope: &str) -> Self {
        let list = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Self {
            groups: list(groups),
            versions: list(&[ALL]),
            resources: list(resources),
            operations: list(operations),
            scope: scope.to_owned(),
        }
    }

    /// Everything that it is about, one by one.
    pub(crate) fn each(&self) -> Vec<One<'_>> {
        let mut all = Vec::new();
        for group in &self.groups {
            for resource in &self.resources {
                all.extend(self.operations.iter().map(|operation| One {
                    group,
                    resource,
                    operation,
                    rule: self,
                }));
            }
        }
        all
    }

    pub(crate) fn covers(&self, one: &One<'_>) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|own| own == ALL || own == wanted);
        has(&self.groups, one.group)
            && one
                .rule
                .versions
                .iter()
                .all(|version| has(&self.versions, version))
            && self
                .resources
                .iter()
                .any(|own| covers_resource(own, one.resource))
            && has(&self.operations, one.operation)
            && (self.scope == ALL || self.scope == one.rule.scope)
    }
}

/// As the API server reads it: without a subresource there is none.
fn covers_resource(own: &str, wanted: &str) -> bool {
    let (kind, part) = own.split_once('/').unwrap_or((own, ""));
    let (wanted_kind, wanted_part) = wanted.split_once('/').unwrap_or((wanted, ""));
    (kind == ALL || kind == wanted_kind) && (part == ALL || part == wanted_part)
}

impl One<'_> {
    pub(crate) fn qualified(&self) -> String {
        match self.group {
            "" => self.resource.to_owned(),
            group => format!("{}.{group}", self.resource),
        }
    }
}

impl Requirement {
    /// A label has this value.
    #[must_use]
    pub fn is(key: &str, value: &str) -> Self {
        Self {
            key: key.to_owned(),
            operator: "In".to_owned(),
            values: [value.to_owned()].into(),
        }
    }

    /// A label is there.
    #[must_use]
    pub fn exists(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            operator: "Exists".to_owned(),
            values: BTreeSet::new(),
        }
    }

    /// Providers of clusters add this to every webhook, again and again, to keep their own namespaces out of it; Azure's
    /// Admissions Enforcer does. No sandbox has such a name, and none has these labels, unless somebody puts one on it.
    pub(crate) fn spares_the_provider(&self) -> bool {
        let only = |is_theirs: fn(&str) -> bool| self.values.iter().all(|value| is_theirs(value));
        match (self.key.as_str(), self.operator.as_str()) {
            ("control-plane", "DoesNotExist") => true,
            ("control-plane", "NotIn") => only(|value| value == "true"),
            ("kubernetes.azure.com/managedby", "NotIn") => only(|value| value == "aks"),
            ("kubernetes.io/metadata.name", "NotIn") => only(|name| name.starts_with("kube-")),
            _ => false,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.operator)?;
        if self.values.is_empty() {
            return Ok(());
        }
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        write!(f, " ({})", values.join(", "))
    }
}

impl Condition {
    /// However its expression is broken into lines.
    #[must_use]
    pub fn new(name: &str, expression: &str) -> Self {
        let words: Vec<&str> = expression.split_whitespace().collect();
        Self {
            name: name.to_owned(),
            expression: words.join(" "),
        }
    }
}
