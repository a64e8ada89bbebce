//! Flags of the operator. Each has an environment variable, and a value in the chart.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use kymaros_crds::{Isolation, domain::duration};
use kymaros_webhooks::default::Defaults;

use super::notifications::NotificationArgs;
use crate::{api::HostName, source::foreign::ForeignKind, telemetry::LogFormat};

/// Settings of the operator.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Namespace in which the operator runs
    #[arg(long, env = "POD_NAMESPACE", default_value = "kymaros-system")]
    pub namespace: String,
    /// Namespace in which Velero runs
    #[arg(long, env = "KYMAROS_VELERO_NAMESPACE", default_value = "velero")]
    pub velero_namespace: String,
    /// How many runs may have sandboxes at the same time
    #[arg(long, env = "KYMAROS_CONCURRENT_RUNS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub concurrent_runs: u16,
    /// `ClusterRole` with the operator's rights inside a sandbox
    #[arg(long, env = "KYMAROS_SANDBOX_ROLE", default_value = "kymaros-sandbox")]
    pub sandbox_role: String,
    /// `PriorityClass` of pods in sandboxes
    #[arg(
        long,
        env = "KYMAROS_SANDBOX_PRIORITY_CLASS",
        default_value = "kymaros-sandbox"
    )]
    pub sandbox_priority_class: String,
    /// Address of /healthz and /readyz
    #[arg(
        long,
        env = "KYMAROS_HEALTH_PROBE_BIND_ADDRESS",
        default_value = "0.0.0.0:8081"
    )]
    pub health_probe_bind_address: SocketAddr,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub api: ApiArgs,
    #[command(flatten)]
    pub webhooks: Webhooks,
    /// Let one of several replicas act; without it, run one replica only
    #[arg(long, env = "KYMAROS_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_elect: bool,
    /// Name of the Lease that the replicas share
    #[arg(long, env = "KYMAROS_LEASE", default_value = "kymaros-leader")]
    pub lease: String,
    /// Name of the Secret with the license
    #[arg(long, env = "KYMAROS_LICENSE_SECRET", default_value = "kymaros-license")]
    pub license_secret: String,
    /// Also hold the Secrets of a source against its backup. Asks for metadata only, and keeps names, labels and times.
    /// Metadata includes annotations, where `kubectl apply` writes what it applied. Needs the right to list them, which
    /// the chart's value `completeness.secrets` gives
    #[arg(long, env = "KYMAROS_COMPARE_SECRETS", default_value_t = false, action = clap::ArgAction::Set)]
    pub compare_secrets: bool,
    /// Kinds of other products that are held against a backup, too, as `kubectl get crds` names them, with commas
    /// between. Needs the right to list them, which the chart's value `completeness.customResources` gives
    #[arg(long, env = "KYMAROS_COMPARE_RESOURCES", value_delimiter = ',')]
    pub compare_resources: Vec<ForeignKind>,
    /// Follow the clusters that Secrets with the label `kymaros.io/cluster` name, and show them beside this one. Needs the
    /// right to list Secrets of the operator's namespace, which the chart's value `clusters.enabled` gives
    #[arg(long, env = "KYMAROS_CLUSTERS", default_value_t = false, action = clap::ArgAction::Set)]
    pub clusters: bool,
    #[command(flatten)]
    pub defaults: TestDefaults,
    #[command(flatten)]
    pub notifications: NotificationArgs,
    /// Format of the logs
    #[arg(long, env = "KYMAROS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// What is logged, for example "info" or "kymaros=debug,kube=info"
    #[arg(long, env = "KYMAROS_LOG", default_value = "info")]
    pub log: String,
}

/// How metrics are served.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct MetricsArgs {
    /// Address of /metrics; 0 serves none
    #[arg(long, env = "KYMAROS_METRICS_BIND_ADDRESS", default_value = "0.0.0.0:8443", value_parser = address)]
    pub metrics_bind_address: Address,
    /// Serve them over TLS, and only to those whom the cluster lets `get` the path /metrics; without it, as plain text to
    /// everybody
    #[arg(long, env = "KYMAROS_METRICS_SECURE", default_value_t = true, action = clap::ArgAction::Set)]
    pub metrics_secure: bool,
}

/// Where something is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// There.
    At(SocketAddr),
    /// Nowhere.
    Nowhere,
}

/// How API and pages are served.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "API and dashboard")]
pub(crate) struct ApiArgs {
    /// Address of the REST API and the dashboard; 0 serves none
    #[arg(long, env = "KYMAROS_API_BIND_ADDRESS", default_value = "0.0.0.0:8080", value_parser = address)]
    pub api_bind_address: Address,
    /// How callers are known: "kubernetes" by tokens of the cluster and their rights; "token" by the one in
    /// `KYMAROS_API_TOKEN`, for changes only; "none" not at all. In the last two, changes are made by the operator's account
    #[arg(long, env = "KYMAROS_API_AUTH", value_enum, default_value_t = ApiAuth::Kubernetes)]
    pub api_auth: ApiAuth,
    /// Origin of pages that browsers let read the API, for example <https://ops.example.com>; none without it
    #[arg(long, env = "KYMAROS_CORS_ORIGIN")]
    pub cors_origin: Option<String>,
    /// Requests of one account that are answered in a second; five times as many at once. Where callers have no account of
    /// the cluster, those of one token
    #[arg(long, env = "KYMAROS_API_REQUESTS_PER_SECOND", default_value = "20")]
    pub api_requests_per_second: NonZeroU32,
    /// Names under which API and dashboard are asked for, with commas between, for example kymaros.example.com or
    /// *.example.com. With `--api-auth=none` nothing is answered under others; addresses and localhost are always known
    #[arg(long, env = "KYMAROS_API_HOSTS", value_delimiter = ',')]
    pub api_hosts: Vec<HostName>,
}

/// How callers of the API are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ApiAuth {
    /// By tokens of the cluster and their rights.
    Kubernetes,
    /// By one token for all who change something.
    Token,
    /// Not at all.
    None,
}

impl ApiArgs {
    /// Whether changes are made by the operator's account.
    pub fn writes_by_operator(&self) -> bool {
        self.api_bind_address != Address::Nowhere && self.api_auth != ApiAuth::Kubernetes
    }
}

/// How admission is served.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Webhooks")]
pub(crate) struct Webhooks {
    /// Address of the webhooks
    #[arg(long, env = "KYMAROS_WEBHOOK_BIND_ADDRESS", default_value = "0.0.0.0:9443")]
    pub webhook_bind_address: SocketAddr,
    /// Service by which the API server reaches the webhooks
    #[arg(long, env = "KYMAROS_WEBHOOK_SERVICE", default_value = "kymaros-webhook")]
    pub webhook_service: String,
    /// Name of both the validating and the mutating webhook configuration
    #[arg(long, env = "KYMAROS_WEBHOOK_CONFIGURATION", default_value = "kymaros")]
    pub webhook_configuration: String,
    /// Secret with the certificate of the webhooks
    #[arg(
        long,
        env = "KYMAROS_CERTIFICATE_SECRET",
        default_value = "kymaros-webhook-certificate"
    )]
    pub certificate_secret: String,
    /// Who keeps that Secret: "own" for the operator itself, "foreign" for cert-manager
    #[arg(long, env = "KYMAROS_CERTIFICATE_SOURCE", value_enum, default_value_t = CertificateSource::Own)]
    pub certificate_source: CertificateSource,
}

/// Who issues the certificate of the webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CertificateSource {
    /// The operator, with an authority of its own.
    Own,
    /// Somebody else, such as cert-manager, who also publishes the authority.
    Foreign,
}

/// Most pods and reports of a test, as the definition of `RestoreTest` has it: the API server refuses every test with more.
const MOST: i64 = 10_000;

/// What a test gets where it leaves something open.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Defaults of tests")]
pub(crate) struct TestDefaults {
    /// Life of a sandbox
    #[arg(long = "default-ttl", env = "KYMAROS_DEFAULT_TTL", default_value = "30m", value_parser = life)]
    ttl: Duration,
    /// Who may talk to whom in sandboxes: "strict" or "group"
    #[arg(long = "default-isolation", env = "KYMAROS_DEFAULT_ISOLATION", default_value = "strict", value_parser = isolation)]
    isolation: Isolation,
    /// Start of the names of sandboxes
    #[arg(
        long = "default-namespace-prefix",
        env = "KYMAROS_DEFAULT_NAMESPACE_PREFIX",
        default_value = "rp-test"
    )]
    namespace_prefix: String,
    /// Processors of a sandbox
    #[arg(
        long = "default-quota-cpu",
        env = "KYMAROS_DEFAULT_QUOTA_CPU",
        default_value = "2"
    )]
    quota_cpu: String,
    /// Memory of a sandbox
    #[arg(
        long = "default-quota-memory",
        env = "KYMAROS_DEFAULT_QUOTA_MEMORY",
        default_value = "4Gi"
    )]
    quota_memory: String,
    /// Storage of a sandbox
    #[arg(
        long = "default-quota-storage",
        env = "KYMAROS_DEFAULT_QUOTA_STORAGE",
        default_value = "10Gi"
    )]
    quota_storage: String,
    /// Pods of a sandbox
    #[arg(
        long = "default-quota-pods",
        env = "KYMAROS_DEFAULT_QUOTA_PODS",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=MOST)
    )]
    quota_pods: u32,
    /// How long a run may take
    #[arg(long = "default-timeout", env = "KYMAROS_DEFAULT_TIMEOUT", default_value = "1h", value_parser = life)]
    timeout: Duration,
    /// How long start-up and checks may take
    #[arg(long = "default-health-timeout", env = "KYMAROS_DEFAULT_HEALTH_TIMEOUT", default_value = "10m", value_parser = life)]
    health_timeout: Duration,
    /// How many reports are kept
    #[arg(
        long = "default-history-limit",
        env = "KYMAROS_DEFAULT_HISTORY_LIMIT",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=MOST)
    )]
    history_limit: u32,
}

impl TestDefaults {
    /// The defaults, when a test that leaves everything open is valid with them.
    ///
    /// # Errors
    /// Every value that no test may have.
    pub fn checked(&self) -> anyhow::Result<Defaults> {
        let defaults = Defaults {
            ttl: self.ttl,
            isolation: self.isolation,
            namespace_prefix: self.namespace_prefix.clone(),
            cpu: self.quota_cpu.clone(),
            memory: self.quota_memory.clone(),
            storage: self.quota_storage.clone(),
            pods: self.quota_pods,
            timeout: self.timeout,
            health_timeout: self.health_timeout,
            history_limit: self.history_limit,
        };
        defaults
            .check()
            .map_err(|invalid| anyhow::anyhow!("the defaults of tests are not valid: {invalid}"))?;
        Ok(defaults)
    }
}

fn life(text: &str) -> Result<Duration, String> {
    let parsed = duration::parse(text).map_err(|error| error.to_string())?;
    if parsed.is_zero() {
        return Err("must be longer than nothing".to_owned());
    }
    Ok(parsed)
}

fn address(text: &str) -> Result<Address, String> {
    if text == "0" {
        return Ok(Address::Nowhere);
    }
    let parsed = text.parse().map(Address::At);
    parsed.map_err(|_| "write an address and a port, for example 0.0.0.0:8080, or 0 for none".to_owned())
}

fn isolation(text: &str) -> Result<Isolation, String> {
    match text {
        "strict" => Ok(Isolation::Strict),
        "group" => Ok(Isolation::Group),
        _ => Err("write strict or group".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn defaults(flags: &[&str]) -> Result<Defaults, String> {
        let flags = ["kymaros"].iter().chain(flags);
        let command = Command::try_parse_from(flags).map_err(|error| error.to_string())?;
        command.args.defaults.checked().map_err(|error| error.to_string())
    }

    #[test]
    fn without_flags_the_defaults_are_the_documented_ones() {
        assert_eq!(defaults(&[]).unwrap(), Defaults::default());
    }

    #[test]
    fn metrics_and_api_are_served_somewhere_or_nowhere() {
        let address = |text| address(text).ok();
        assert_eq!(address("0"), Some(Address::Nowhere));
        let there = SocketAddr::from(([127, 0, 0, 1], 8443));
        assert_eq!(address("127.0.0.1:8443"), Some(Address::At(there)));
        assert_eq!(address("8443"), None);
    }

    #[test]
    fn the_operator_changes_tests_only_where_callers_have_no_account() {
        let writes = |flags: &[&str]| {
            let flags = ["kymaros"].iter().chain(flags);
            Command::try_parse_from(flags)
                .unwrap()
                .args
                .api
                .writes_by_operator()
        };
        assert!(!writes(&[]));
        assert!(writes(&["--api-auth=token"]) && writes(&["--api-auth=none"]));
        assert!(!writes(&["--api-auth=none", "--api-bind-address=0"]));
    }

    #[test]
    fn a_default_that_no_test_may_have_is_refused_at_the_start() {
        assert!(
            defaults(&["--default-quota-cpu=much"])
                .unwrap_err()
                .contains("cpu")
        );
        assert!(
            defaults(&["--default-namespace-prefix=kube-x"])
                .unwrap_err()
                .contains("reserved")
        );
        assert!(defaults(&["--default-ttl=0s"]).is_err());
        assert!(defaults(&["--default-isolation=open"]).is_err());
        assert!(defaults(&["--default-history-limit=0"]).is_err());
        assert!(defaults(&["--default-history-limit=10001"]).is_err());
        assert!(defaults(&["--default-quota-pods=10001"]).is_err());
    }
}
