//! Parses what a health check does.

use std::time::Duration;

use super::{
    action::{CheckAction, ResourceRef},
    pattern::Pattern,
};
use crate::{
    CheckType, ExecCheck, HttpGetCheck, PodStatusCheck, ResourceExistsCheck, TcpSocketCheck,
    domain::{
        label, name,
        problems::{Problems, set},
    },
};

/// Default of 0.6.9.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pods take longer than answers.
const POD_TIMEOUT: Duration = Duration::from_mins(1);
/// Below, nothing can answer; beyond, it is a slip.
const BOUNDS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(24));
/// Most tries of an HTTP request.
const MAX_TRIES: i32 = 100;

/// Parses the settings that belong to the check's type, and refuses those of another.
pub(super) fn action(check: &crate::Check, path: &str, problems: &mut Problems) -> Option<CheckAction> {
    let wanted = name_of(check.type_);
    let given = [
        ("podStatus", check.pod_status.is_some()),
        ("httpGet", check.http_get.is_some()),
        ("tcpSocket", check.tcp_socket.is_some()),
        ("exec", check.exec.is_some()),
        ("resourceExists", check.resource_exists.is_some()),
    ];
    for (name, _) in given
        .iter()
        .filter(|(name, is_given)| *is_given && *name != wanted)
    {
        let message = format!("does not belong to a check of type {wanted}; remove it or change the type");
        problems.report(&format!("{path}.{name}"), name, message);
    }
    let path = format!("{path}.{wanted}");
    let parsed = match check.type_ {
        CheckType::PodStatus => check.pod_status.as_ref().map(|c| pod_status(c, &path, problems)),
        CheckType::HttpGet => check.http_get.as_ref().map(|c| http_get(c, &path, problems)),
        CheckType::TcpSocket => check.tcp_socket.as_ref().map(|c| tcp_socket(c, &path, problems)),
        CheckType::Exec => check.exec.as_ref().map(|c| exec(c, &path, problems)),
        CheckType::ResourceExists => check
            .resource_exists
            .as_ref()
            .map(|c| resource_exists(c, &path, problems)),
    };
    if parsed.is_none() {
        problems.report(
            &path,
            "",
            format!("is missing; a check of type {wanted} needs it"),
        );
    }
    parsed
}

fn name_of(type_: CheckType) -> &'static str {
    match type_ {
        CheckType::PodStatus => "podStatus",
        CheckType::HttpGet => "httpGet",
        CheckType::TcpSocket => "tcpSocket",
        CheckType::Exec => "exec",
        CheckType::ResourceExists => "resourceExists",
    }
}

fn pod_status(check: &PodStatusCheck, path: &str, problems: &mut Problems) -> CheckAction {
    let min_ready = u32::try_from(check.min_ready).unwrap_or_else(|_| {
        problems.report(
            &format!("{path}.minReady"),
            check.min_ready,
            "is negative; write 0 or more",
        );
        0
    });
    CheckAction::PodStatus {
        selector: label::parse_selector(&check.label_selector, &format!("{path}.labelSelector"), problems),
        min_ready,
        timeout: timeout(check.timeout.as_deref(), POD_TIMEOUT, path, problems),
    }
}

fn http_get(check: &HttpGetCheck, path: &str, problems: &mut Problems) -> CheckAction {
    let expected_status = u16::try_from(check.expected_status)
        .ok()
        .filter(|s| (100..=599).contains(s));
    if expected_status.is_none() {
        let message = "is not an HTTP status; write for example 200";
        problems.report(&format!("{path}.expectedStatus"), check.expected_status, message);
    }
    let tries = check.retries.unwrap_or(1);
    if !(0..=MAX_TRIES).contains(&tries) {
        let message = format!("is for how many times `timeout` it is tried; write 1 to {MAX_TRIES}");
        problems.report(&format!("{path}.retries"), tries, message);
    }
    if !check.path.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        let message = "is not a path; write visible ASCII, and anything else as %XX";
        problems.report(&format!("{path}.path"), &check.path, message);
    }
    CheckAction::HttpGet {
        service: service(&check.service, path, problems),
        port: port(check.port, path, problems),
        // 0.6.9 took both, and what was meant is clear.
        path: if check.path.starts_with('/') {
            check.path.clone()
        } else {
            format!("/{}", check.path)
        },
        expected_status: expected_status.unwrap_or_default(),
        timeout: timeout(check.timeout.as_deref(), TIMEOUT, path, problems),
        retries: u32::try_from(tries).unwrap_or_default().max(1),
    }
}

fn tcp_socket(check: &TcpSocketCheck, path: &str, problems: &mut Problems) -> CheckAction {
    CheckAction::TcpSocket {
        service: service(&check.service, path, problems),
        port: port(check.port, path, problems),
        timeout: timeout(check.timeout.as_deref(), TIMEOUT, path, problems),
    }
}

fn exec(check: &ExecCheck, path: &str, problems: &mut Problems) -> CheckAction {
    if check
        .command
        .first()
        .is_none_or(|program| program.trim().is_empty())
    {
        let message = "names no program; write for example [\"pg_isready\", \"-U\", \"postgres\"]";
        problems.report(&format!("{path}.command"), check.command.join(" "), message);
    }
    let success_exit_code = check.success_exit_code.unwrap_or_default();
    if !(0..=255).contains(&success_exit_code) {
        problems.report(
            &format!("{path}.successExitCode"),
            success_exit_code,
            "must be between 0 and 255",
        );
    }
    let container = set(check.container.as_deref());
    if let Some(container) = container {
        problems.ok(&format!("{path}.container"), container, name::label(container));
    }
    let pattern = set(check.stdout_matches.as_deref());
    let stdout_matches =
        pattern.and_then(|text| problems.ok(&format!("{path}.stdoutMatches"), text, Pattern::parse(text)));
    CheckAction::Exec {
        selector: label::parse_selector(&check.pod_selector, &format!("{path}.podSelector"), problems),
        container: container.map(str::to_owned),
        command: check.command.clone(),
        success_exit_code,
        stdout_matches,
        timeout: timeout(check.timeout.as_deref(), TIMEOUT, path, problems),
    }
}

fn resource_exists(check: &ResourceExistsCheck, path: &str, problems: &mut Problems) -> CheckAction {
    if check.resources.is_empty() {
        problems.report(
            &format!("{path}.resources"),
            "[]",
            "is empty; name at least one object",
        );
    }
    for (index, resource) in check.resources.iter().enumerate() {
        let path = format!("{path}.resources[{index}]");
        let mut characters = resource.kind.chars();
        let is_kind = characters.next().is_some_and(|c| c.is_ascii_uppercase())
            && characters.all(|c| c.is_ascii_alphanumeric());
        if !is_kind {
            let message = "is not a kind; write it as in a manifest, for example Secret";
            problems.report(&format!("{path}.kind"), &resource.kind, message);
        }
        // Some kinds, such as roles, take more than DNS names; a slash would reach another object.
        let is_name =
            !resource.name.is_empty() && resource.name.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if !is_name {
            problems.report(
                &format!("{path}.name"),
                &resource.name,
                "is not the name of an object",
            );
        }
    }
    let resources = check.resources.iter();
    CheckAction::ResourceExists {
        resources: resources
            .map(|r| ResourceRef {
                kind: r.kind.clone(),
                name: r.name.clone(),
            })
            .collect(),
        timeout: timeout(check.timeout.as_deref(), TIMEOUT, path, problems),
    }
}

fn service(name: &str, path: &str, problems: &mut Problems) -> String {
    problems.ok(&format!("{path}.service"), name, name::label(name));
    name.to_owned()
}

fn port(port: i32, path: &str, problems: &mut Problems) -> u16 {
    let parsed = u16::try_from(port).ok().filter(|p| *p > 0);
    if parsed.is_none() {
        problems.report(&format!("{path}.port"), port, "is not a port; write 1 to 65535");
    }
    parsed.unwrap_or_default()
}

fn timeout(raw: Option<&str>, default: Duration, path: &str, problems: &mut Problems) -> Duration {
    problems
        .duration(&format!("{path}.timeout"), raw, BOUNDS.0, BOUNDS.1)
        .unwrap_or(default)
}
