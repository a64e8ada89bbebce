//! `exec`: a command in a pod. Only its exit code and standard output are taken.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, Pod},
    apimachinery::pkg::apis::meta::v1::Status,
};
use kube::{
    Api, Client, ResourceExt,
    api::{AttachParams, ListParams},
};
use kymaros_crds::domain::Pattern;
use tokio::io::AsyncReadExt;

use super::{Failure, cut, label_query, pod_status::is_ready};

/// Output beyond this is not looked at: 64 KiB.
const MAX_OUTPUT: u64 = 64 * 1024;

/// What the command must do.
pub(super) struct Wanted<'a> {
    pub exit_code: i32,
    pub stdout: Option<&'a Pattern>,
}

pub(super) async fn check(
    client: &Client,
    sandbox: &str,
    selector: &BTreeMap<String, String>,
    container: Option<&str>,
    command: &[String],
    wanted: &Wanted<'_>,
) -> Result<String, Failure> {
    let pods = Api::<Pod>::namespaced(client.clone(), sandbox);
    let query = label_query(selector);
    let found = pods.list(&ListParams::default().labels(&query)).await?;
    let pod = choose(&found.items, &query, container)?;
    let mut params = AttachParams::default().stdout(true).stderr(false).stdin(false);
    params.container = Some(match container {
        Some(name) => name.to_owned(),
        None => containers(pod).next().map(|c| c.name.clone()).unwrap_or_default(),
    });
    let mut process = pods.exec(&pod.name_any(), command.to_vec(), &params).await?;
    let mut output = Vec::new();
    if let Some(mut stdout) = process.stdout() {
        let read = async {
            (&mut stdout).take(MAX_OUTPUT).read_to_end(&mut output).await?;
            // The exit code comes behind all that the command prints.
            tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await
        };
        read.await
            .map_err(|error| Failure::NotYet(format!("reading the output: {error}")))?;
    }
    let status = match process.take_status() {
        Some(status) => status.await,
        None => None,
    };
    process.abort();
    judge(status.as_ref(), &String::from_utf8_lossy(&output), wanted)
}

fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.iter().flat_map(|s| &s.containers)
}

fn choose<'a>(pods: &'a [Pod], query: &str, container: Option<&str>) -> Result<&'a Pod, Failure> {
    if pods.is_empty() {
        return Err(Failure::Missing(format!("no pod matches {query}")));
    }
    let mut ready: Vec<_> = pods.iter().filter(|p| is_ready(p)).collect();
    ready.sort_by_key(|p| p.name_any());
    let pod = ready
        .first()
        .ok_or_else(|| Failure::NotYet(format!("no pod that matches {query} is ready")))?;
    match container {
        Some(name) if !containers(pod).any(|c| c.name == name) => Err(Failure::Final(format!(
            "pod {} has no container {name}",
            pod.name_any()
        ))),
        _ => Ok(pod),
    }
}

/// A non-zero exit arrives as a `Failure` Status with reason `NonZeroExitCode` and the code as text in its causes.
fn exit_code(status: Option<&Status>) -> Option<i32> {
    let status = status?;
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let code = causes.iter().find(|c| c.reason.as_deref() == Some("ExitCode"))?;
    code.message.as_ref()?.parse().ok()
}

fn judge(status: Option<&Status>, output: &str, wanted: &Wanted<'_>) -> Result<String, Failure> {
    let Some(code) = exit_code(status) else {
        let reason = status
            .and_then(|s| s.message.clone())
            .unwrap_or_else(|| "no exit code arrived".to_owned());
        return Err(Failure::NotYet(format!(
            "the command could not be run: {}",
            cut(&reason)
        )));
    };
    let shown = cut(output);
    if code != wanted.exit_code {
        return Err(Failure::NotYet(format!(
            "exit code {code}, expected {}: {shown}",
            wanted.exit_code
        )));
    }
    match wanted.stdout {
        Some(pattern) if !matches(pattern, output) => Err(Failure::NotYet(format!(
            "output does not match {pattern}: {shown}"
        ))),
        _ => Ok(format!("exit code {code}: {shown}")),
    }
}

/// A line break at the end is no part of what a command says: `^ok$` is meant to match the output of `echo ok`.
fn matches(pattern: &Pattern, output: &str) -> bool {
    pattern.is_match(output) || pattern.is_match(output.trim_end_matches(['\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn failed(code: &str) -> Status {
        from_value(json!({ "status": "Failure", "reason": "NonZeroExitCode",
            "details": { "causes": [{ "reason": "ExitCode", "message": code }] } }))
        .unwrap()
    }

    #[test]
    fn exit_code_and_output_must_both_be_as_wanted() {
        let success: Status = from_value(json!({ "status": "Success" })).unwrap();
        let digits = Pattern::parse(r"^\d+$").unwrap();
        let wanted = Wanted {
            exit_code: 0,
            stdout: Some(&digits),
        };
        assert!(judge(Some(&success), "42", &wanted).is_ok());
        assert!(
            judge(Some(&success), "42\n", &wanted).is_ok(),
            "as every command ends a line"
        );
        assert!(judge(Some(&success), "42\nrows", &wanted).is_err());
        assert!(judge(Some(&success), "none", &wanted).is_err());
        assert!(judge(Some(&failed("2")), "42", &wanted).is_err());
        assert!(
            judge(
                Some(&failed("2")),
                "",
                &Wanted {
                    exit_code: 2,
                    stdout: None
                }
            )
            .is_ok()
        );
        assert!(judge(None, "42", &wanted).is_err(), "no status is no success");
    }
}
