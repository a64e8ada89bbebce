//! What applies, and where each value comes from.

use std::collections::BTreeMap;

use askama::Template;
use kymaros_crds::NotificationType;

use super::{Fact, moment};
use crate::{
    api::Api,
    dashboard::{
        addresses::NAMESPACE,
        door::described,
        moments::{Moment, relative, stored_span},
        query::write,
        shell::Shell,
    },
    fleet::{Channel, Features, Fleet, View},
};

/// Receivers that are shown.
const RECEIVERS: usize = 50;
/// Tests that are named beside a receiver.
const TESTS: usize = 3;

/// A flag of the operator, as it applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Under which heading it stands.
    pub group: String,
    /// The flag.
    pub name: String,
    /// Its value; not for what is secret.
    pub value: String,
    /// Where that comes from.
    pub source: String,
    /// What it is.
    pub help: String,
}

/// The page.
#[derive(Template)]
#[template(path = "settings.html")]
pub struct SettingsPage {
    /// Around it.
    pub shell: Shell,
    provider: Vec<Fact>,
    license: Vec<Fact>,
    features: Vec<Fact>,
    /// Empty, as `groups` is, for whoever sees one namespace only.
    sandboxes: Vec<Fact>,
    about: Vec<Fact>,
    channels: Vec<ChannelRow>,
    channels_more: usize,
    groups: Vec<Group>,
}

struct ChannelRow {
    name: String,
    secret: String,
    namespace: String,
    tests: Vec<String>,
    more: usize,
    /// The page of all tests of its namespace.
    rest: String,
}

struct Group {
    name: String,
    settings: Vec<Setting>,
}

/// What of it somebody may see.
#[derive(Clone, Copy, Debug)]
pub struct Sees {
    /// Velero's backups.
    pub velero: bool,
    /// What concerns all namespaces: settings of the operator, and how many sandboxes there are.
    pub all: bool,
}

impl SettingsPage {
    /// The page as somebody sees it.
    #[must_use]
    pub fn new(api: &Api, view: &View, settings: &[Setting], sees: Sees, shell: Shell) -> Self {
        let (fleet, about) = (&api.fleet, &api.about);
        let (channels, channels_more) = channels(api, view);
        Self {
            provider: if sees.velero {
                provider(fleet, view)
            } else {
                vec![Fact::new(
                    "Not shown",
                    "your account may not list Velero's Backups",
                )]
            },
            license: license(fleet, view),
            features: features(&view.features),
            sandboxes: if sees.all { sandboxes(fleet) } else { Vec::new() },
            about: vec![
                Fact::new("Kymaros", env!("CARGO_PKG_VERSION")),
                Fact::new("Kubernetes", about.kubernetes_version.clone()),
                Fact::new("Namespace", fleet.namespace.clone()),
                Fact::new("Pod", about.pod.clone()),
                Fact::new(
                    "Runs since",
                    format!(
                        "{}, {}",
                        Moment::of(about.started, view.now).utc,
                        relative(about.started, view.now)
                    ),
                ),
                Fact::new("Signing in", described(&api.auth)),
                Fact::new("API", "/api/v1, described at /api/v1/openapi.json"),
            ],
            channels,
            channels_more,
            groups: if sees.all { groups(settings) } else { Vec::new() },
            shell,
        }
    }
}

fn provider(fleet: &Fleet, view: &View) -> Vec<Fact> {
    let found = fleet.provider(view);
    let location = match (found.default_location, found.default_location_phase) {
        (Some(name), Some(phase)) => format!("{name}, {phase}"),
        (Some(name), None) => name,
        (None, _) => "none is the default".to_owned(),
    };
    let newest = match (found.last_backup_name, found.last_backup_age) {
        (Some(name), Some(age)) => format!("{name}, {} old", stored_span(&age)),
        (Some(name), None) => name,
        (None, _) => "none".to_owned(),
    };
    vec![
        Fact::new("Server", found.status),
        Fact::new("Namespace", found.namespace),
        Fact::new(
            "Version",
            found
                .version
                .unwrap_or_else(|| "not told by its image".to_owned()),
        ),
        Fact::new("Storage location", location),
        Fact::new("Backups", found.backup_count.to_string()),
        Fact::new("Schedules", found.schedule_count.to_string()),
        Fact::new("Newest backup", newest),
    ]
}

fn license(fleet: &Fleet, view: &View) -> Vec<Fact> {
    let found = fleet.license(view);
    let ends = found.expires_at.as_deref().and_then(|at| moment(at, view.now));
    let ends = match (ends, found.is_expired) {
        (Some(at), true) => format!("ended {}", at.utc),
        (Some(at), false) => format!("{}, {}", at.utc, at.relative),
        (None, _) => "never".to_owned(),
    };
    vec![
        Fact::new("Tier", view.tier.to_string()),
        Fact::new("Ends", ends),
        Fact::new("Why", found.message),
        Fact::new("Comes from", format!("a Secret in {}", fleet.namespace)),
    ]
}

fn features(open: &Features) -> Vec<Fact> {
    let history = match open.max_history_days {
        0 => "all of it".to_owned(),
        days => format!("{days} days"),
    };
    let word = |open: bool| if open { "yes" } else { "no" };
    vec![
        Fact::new("History shown", history),
        Fact::new("Points by level", word(open.score_breakdown)),
        Fact::new("Timeline of a run", word(open.timeline)),
        Fact::new("Recovery times over many runs", word(open.rto_analytics)),
        Fact::new("Alerts of what got worse", word(open.regression_alerts)),
        Fact::new("Compliance", word(open.compliance_page)),
        Fact::new("CSV export", word(open.csv_export)),
        Fact::new("PDF export", word(open.pdf_export)),
        Fact::new("Several backups in a test", word(open.multi_backup)),
        Fact::new("Several clusters", word(open.multi_cluster)),
    ]
}

fn sandboxes(fleet: &Fleet) -> Vec<Fact> {
    let found = fleet.sandboxes();
    let quota: Vec<String> = found
        .defaults
        .resource_quota
        .iter()
        .map(|(of, value)| format!("{of} {value}"))
        .collect();
    vec![
        Fact::new(
            "Now",
            format!(
                "{} of live runs, {} that no report speaks for",
                found.active_sandboxes, found.orphaned_sandboxes
            ),
        ),
        Fact::new("Prefix", found.defaults.namespace_prefix),
        Fact::new("Life", stored_span(&found.defaults.ttl)),
        Fact::new(
            "Isolation",
            format!("{:?}", found.defaults.network_isolation).to_lowercase(),
        ),
        Fact::new("Quota", quota.join(", ")),
    ]
}

/// The first receivers, and how many there are behind them.
fn channels(api: &Api, view: &View) -> (Vec<ChannelRow>, usize) {
    let told = api.fleet.notified(api.notifier.defaults(), view).channels;
    let more = told.len().saturating_sub(RECEIVERS);
    (told.into_iter().take(RECEIVERS).map(channel).collect(), more)
}

fn channel(of: Channel) -> ChannelRow {
    ChannelRow {
        name: match of.type_ {
            NotificationType::Slack => format!("Slack {}", of.channel).trim().to_owned(),
            NotificationType::Webhook => "Webhook".to_owned(),
        },
        secret: match (of.secret_ref, of.secret_namespace) {
            (none, _) if none.is_empty() => "none is named".to_owned(),
            (name, namespace) if namespace.is_empty() => name,
            (name, namespace) => format!("{name} in {namespace}, the operator's own"),
        },
        more: of.used_by_tests.len().saturating_sub(TESTS),
        tests: of.used_by_tests.into_iter().take(TESTS).collect(),
        rest: format!("/tests{}", write(&[(NAMESPACE, &of.namespace)])),
        namespace: of.namespace,
    }
}

fn groups(settings: &[Setting]) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Vec<Setting>> = BTreeMap::new();
    for setting in settings {
        groups.entry(&setting.group).or_default().push(setting.clone());
    }
    let named = groups.into_iter().map(|(name, settings)| Group {
        name: name.to_owned(),
        settings,
    });
    named.collect()
}
