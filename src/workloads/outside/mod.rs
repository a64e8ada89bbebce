//! What a restored workload may need and no sandbox reaches: hosts outside of the cluster, a cloud, and the API server. One
//! that does not start is no proof against its backup then. Only what the workload itself is given counts: its arguments, its
//! environment, `ConfigMap`s that are its environment, Services that it may ask for, and rights and identity of its account.

mod hosts;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use k8s_openapi::api::{
    core::v1::{ConfigMap, Container, PodSpec, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kube::ResourceExt;

pub use self::hosts::hosts;
use self::hosts::{is_of_a_host, is_outside};
use super::{
    assess::SandboxObjects,
    references::{Form, Name, Namer, Reference},
    specs::{containers, may_ask_for, pod_specs},
};

/// Annotations of accounts by which AWS, Google Cloud, Azure and Alibaba Cloud lend them an identity.
const CLOUD_IDENTITIES: [&str; 4] = [
    "eks.amazonaws.com/role-arn",
    "iam.gke.io/gcp-service-account",
    "azure.workload.identity/client-id",
    "pod-identity.alibabacloud.com/role-name",
];

/// A workload that may need what no sandbox reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outside {
    /// `Kind/name` of the workload.
    pub from: String,
    /// What it may need.
    pub need: Need,
}

/// What a workload may need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A host that it is told of, a name or an address.
    Host(String),
    /// A host that it is told of by a Secret, which nobody reads.
    Secret {
        /// The Secret.
        secret: String,
        /// The variable that it fills.
        variable: String,
    },
    /// A Secret is its environment, or part of it, and nobody reads what that tells it.
    Environment {
        /// The Secret.
        secret: String,
    },
    /// A host outside that a Service, for which it may ask, is another name of.
    Alias {
        /// The Service.
        service: String,
        /// The host.
        host: String,
    },
    /// The API server, at which its account has rights.
    ApiServer {
        /// The `RoleBinding` that gives them.
        binding: String,
    },
    /// The API server, if its account has rights in the whole cluster: what gives them is in no sandbox.
    Account {
        /// The `ServiceAccount`.
        account: String,
    },
    /// A cloud, where its account has an identity.
    Cloud {
        /// The `ServiceAccount`.
        account: String,
    },
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, need } = self;
        match need {
            Need::Host(host) => write!(f, "{from} names {host}, which a sandbox does not reach"),
            Need::Secret { secret, variable } => write!(
                f,
                "{from} takes {variable} from Secret/{secret}, which is not read, and a sandbox reaches nothing outside"
            ),
            Need::Environment { secret } => write!(
                f,
                "{from} takes its environment from Secret/{secret}, which is not read, and a sandbox reaches nothing outside"
            ),
            Need::Alias { service, host } => write!(
                f,
                "{from} may ask for Service/{service}, another name of {host}, which a sandbox does not reach"
            ),
            Need::Account { account } => write!(
                f,
                "{from} runs as ServiceAccount/{account}, which may have rights in the whole cluster that a sandbox does not give"
            ),
            Need::Cloud { account } => write!(
                f,
                "{from} has an identity at a cloud by ServiceAccount/{account}, and a sandbox does not reach it"
            ),
            Need::ApiServer { binding } => write!(
                f,
                "{from} has rights at the API server by RoleBinding/{binding}, and a sandbox does not reach it"
            ),
        }
    }
}

impl Outside {
    /// The namespace, where the host may be a Service by its short name, `service.namespace`.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        Some(self.short_name()?.1)
    }

    /// The Service, where the host may be one by its short name.
    #[must_use]
    pub fn service(&self) -> Option<Reference> {
        let (service, namespace) = self.short_name()?;
        Some(Reference {
            by: Namer::Workload(self.from.clone()),
            to: Name {
                service: service.to_owned(),
                namespace: namespace.to_owned(),
                form: Form::Short,
            },
        })
    }

    fn short_name(&self) -> Option<(&str, &str)> {
        let Need::Host(host) = &self.need else {
            return None;
        };
        host.split_once('.')
            .filter(|(_, namespace)| !namespace.contains('.'))
    }
}

/// Finds what the workloads of a sandbox may need outside of it.
#[must_use]
pub fn find(objects: &SandboxObjects) -> BTreeSet<Outside> {
    let maps: BTreeMap<String, &ConfigMap> = objects.config_maps.iter().map(|m| (m.name_any(), m)).collect();
    let mut found = BTreeSet::new();
    for (from, spec) in pod_specs(objects) {
        let of_containers = containers(spec).flat_map(|c| needs(c, &maps));
        let all = of_containers
            .chain(api_server(spec, objects))
            .chain(cloud(spec, objects))
            .chain(aliases(spec, objects));
        found.extend(all.map(|need| Outside {
            from: from.clone(),
            need,
        }));
    }
    found
}

fn aliases<'a>(spec: &'a PodSpec, objects: &'a SandboxObjects) -> impl Iterator<Item = Need> + 'a {
    objects.services.iter().filter_map(|service| {
        let host = service.spec.as_ref()?.external_name.clone()?;
        let service = service.name_any();
        (is_outside(&host) && may_ask_for(spec, &service)).then_some(Need::Alias { service, host })
    })
}

fn needs(container: &Container, maps: &BTreeMap<String, &ConfigMap>) -> BTreeSet<Need> {
    let named = told(container, maps).into_iter();
    let hosts = named.flat_map(|(name, text)| hosts(name, text)).map(Need::Host);
    hosts.chain(of_secrets(container)).collect()
}

/// What Secrets may tell it: a variable that is an address has a name that says so; of a whole environment no names are
/// known.
fn of_secrets(container: &Container) -> impl Iterator<Item = Need> + '_ {
    let variables = container.env.iter().flatten().filter_map(|variable| {
        let secret = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
        is_of_a_host(&variable.name).then(|| Need::Secret {
            secret: secret.name.clone(),
            variable: variable.name.clone(),
        })
    });
    let whole = container.env_from.iter().flatten().filter_map(|from| {
        // What may be missing is not needed.
        let of = from.secret_ref.as_ref().filter(|of| of.optional != Some(true))?;
        let secret = of.name.clone();
        Some(Need::Environment { secret })
    });
    variables.chain(whole)
}

/// All texts that a container is given, each with the name it has there.
fn told<'a>(
    container: &'a Container,
    maps: &BTreeMap<String, &'a ConfigMap>,
) -> Vec<(Option<&'a str>, &'a str)> {
    let data = |map: &str| maps.get(map).and_then(|map| map.data.as_ref());
    let mut told = Vec::new();
    for variable in container.env.iter().flatten() {
        told.extend(
            variable
                .value
                .as_deref()
                .map(|text| (Some(variable.name.as_str()), text)),
        );
        let source = variable.value_from.as_ref();
        let entry = source
            .and_then(|source| source.config_map_key_ref.as_ref())
            .and_then(|of| data(&of.name)?.get_key_value(&of.key));
        told.extend(entry.map(|(key, text)| (Some(key.as_str()), text.as_str())));
    }
    let whole = container
        .env_from
        .iter()
        .flatten()
        .filter_map(|e| e.config_map_ref.as_ref());
    let entries = whole.filter_map(|map| data(&map.name)).flatten();
    told.extend(entries.map(|(key, text)| (Some(key.as_str()), text.as_str())));
    let mut option = None;
    for argument in container.command.iter().chain(&container.args).flatten() {
        // `--db-host=db.example.com`, `--db-host db.example.com`.
        told.push(match argument.split_once('=') {
            Some((name, text)) if !name.contains(char::is_whitespace) => (Some(name), text),
            _ => (option, argument.as_str()),
        });
        option = argument.starts_with('-').then_some(argument.as_str());
    }
    told
}

/// The API server, where the account of these pods was given rights and they have its token. The rights of its own
/// namespace come back with it; those of the whole cluster do not, and an account of its own may have some.
fn api_server(spec: &PodSpec, objects: &SandboxObjects) -> Option<Need> {
    let account = account(spec);
    let of_account = known(account, objects).find_map(|a| a.automount_service_account_token);
    if spec.automount_service_account_token.or(of_account) == Some(false) {
        return None;
    }
    let binds = |binding: &&RoleBinding| {
        let mut subjects = binding.subjects.iter().flatten();
        subjects.any(|subject| {
            let is_here = subject.namespace.is_none() || subject.namespace == binding.namespace();
            subject.kind == "ServiceAccount" && subject.name == account && is_here
        })
    };
    let mut bindings = objects.role_bindings.iter().filter(binds);
    let binding = bindings.find(|binding| gives_rights(binding, &objects.roles));
    match binding {
        Some(binding) => Some(Need::ApiServer {
            binding: binding.name_any(),
        }),
        None if account == "default" => None,
        None => Some(Need::Account {
            account: account.to_owned(),
        }),
    }
}

/// A cloud, where one lends the account of these pods an identity. They get its token whether they mount that of the cluster
/// or not, and are told of no host: the tools of a cloud know theirs.
fn cloud(spec: &PodSpec, objects: &SandboxObjects) -> Option<Need> {
    let account = account(spec);
    let is_lent = known(account, objects).any(|a| {
        let mut by = CLOUD_IDENTITIES.iter();
        by.any(|by| a.annotations().get(*by).is_some_and(|lent| !lent.is_empty()))
    });
    is_lent.then(|| Need::Cloud {
        account: account.to_owned(),
    })
}

/// The account that pods run as.
fn account(spec: &PodSpec) -> &str {
    spec.service_account_name.as_deref().unwrap_or("default")
}

/// The account of that name, where it is there.
fn known<'a>(account: &'a str, objects: &'a SandboxObjects) -> impl Iterator<Item = &'a ServiceAccount> {
    objects
        .service_accounts
        .iter()
        .filter(move |a| a.name_any() == account)
}

/// Whether a binding lets somebody ask for anything. Charts make roles without rules, and roles that only allow to `use` a
/// policy of pods, as `OpenShift` does by itself.
fn gives_rights(binding: &RoleBinding, roles: &[Role]) -> bool {
    let role = &binding.role_ref;
    if role.kind == "ClusterRole" {
        return !role.name.starts_with("system:openshift:scc:");
    }
    let of_role = roles.iter().filter(|r| r.name_any() == role.name);
    let mut given = of_role.flat_map(|r| r.rules.iter().flatten());
    given.any(|rule| rule.verbs.iter().any(|verb| verb != "use"))
}

#[cfg(test)]
mod tests;
