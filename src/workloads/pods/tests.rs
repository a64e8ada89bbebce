use super::*;

#[allow(
    clippy::needless_pass_by_value,
    reason = "tests read better with the value in place"
)]
fn pod(status: serde_json::Value) -> Pod {
    serde_json::from_value(serde_json::json!({ "metadata": { "name": "p" }, "status": status })).unwrap()
}

fn waiting(reason: &str, message: &str, restarts: i32) -> Pod {
    pod(serde_json::json!({ "phase": "Pending", "containerStatuses": [{
        "name": "app", "image": "shop:1", "imageID": "", "ready": false, "restartCount": restarts,
        "state": { "waiting": { "reason": reason, "message": message } },
        "lastState": { "terminated": { "exitCode": 3 } },
    }]}))
}

#[test]
fn memory_that_the_sandbox_limits_is_not_the_applications_fault() {
    let killed = |by: &str| {
        let mut pod = pod(serde_json::json!({ "phase": "Running", "containerStatuses": [{
            "name": "app", "image": "shop:1", "imageID": "", "ready": false, "restartCount": 5,
            "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } }] }));
        let mark = ("kubernetes.io/limit-ranger".to_owned(), by.to_owned());
        pod.metadata.annotations = Some([mark].into());
        match judge(&pod, &[]) {
            PodState::Crashing(trouble, _) => trouble.cause,
            other => panic!("{other:?}"),
        }
    };
    let set = "LimitRanger plugin set: ";
    assert_eq!(
        killed(&format!(
            "{set}cpu, memory request for container app; cpu, memory limit for container app"
        )),
        Cause::Sandbox
    );
    assert_eq!(
        killed(&format!("{set}memory limit for container app")),
        Cause::Sandbox
    );
    for own in [
        "cpu limit for container app",
        "memory limit for container other",
        "memory request for container app",
    ] {
        assert_eq!(killed(&format!("{set}{own}")), Cause::Application, "{own}");
    }
}

#[test]
fn a_pod_with_the_sidecar_of_a_mesh_is_excused_unless_no_network_would_have_helped() {
    let cause = |annotation: &str, ended: serde_json::Value| {
        let mut pod = pod(serde_json::json!({ "phase": "Running", "containerStatuses": [{
            "name": "app", "image": "i", "imageID": "", "ready": false, "restartCount": 4,
            "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": ended } }] }));
        pod.metadata.annotations = Some([(annotation.to_owned(), "{}".to_owned())].into());
        match judge(&pod, &[]) {
            PodState::Crashing(trouble, _) => trouble.cause,
            other => panic!("{other:?}"),
        }
    };
    let failed = || serde_json::json!({ "exitCode": 1 });
    assert_eq!(cause("sidecar.istio.io/status", failed()), Cause::Sandbox);
    assert_eq!(cause("example.com/note", failed()), Cause::Application);
    let no_program = serde_json::json!({ "exitCode": 127 });
    assert_eq!(cause("sidecar.istio.io/status", no_program), Cause::Application);
}

#[test]
fn an_image_that_a_mesh_was_to_put_in_is_not_the_applications_fault() {
    let state = |image: &str| {
        let mut pod = waiting("ErrImagePull", "pull access denied, repository does not exist", 0);
        let status = pod.status.as_mut().unwrap();
        status.container_statuses.as_mut().unwrap()[0].image = image.into();
        judge(&pod, &[])
    };
    let blamed = |image: &str| match state(image) {
        PodState::Hopeless(trouble) => trouble.cause,
        other => panic!("{other:?}"),
    };
    assert_eq!(blamed("auto"), Cause::Sandbox, "and nobody waits for it");
    assert_eq!(blamed("automation"), Cause::Application);
}

#[test]
fn what_no_network_explains_is_told_from_what_one_may() {
    let is_local = |ended: serde_json::Value| {
        let pod = pod(serde_json::json!({ "phase": "Running", "containerStatuses": [{
            "name": "app", "image": "i", "imageID": "", "ready": false, "restartCount": 4,
            "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": ended } }] }));
        match judge(&pod, &[]) {
            PodState::Crashing(trouble, _) => trouble.local,
            other => panic!("{other:?}"),
        }
    };
    for ended in [
        serde_json::json!({ "exitCode": 137, "reason": "OOMKilled" }),
        serde_json::json!({ "exitCode": 128, "reason": "StartError" }),
        serde_json::json!({ "exitCode": 127, "reason": "Error" }),
    ] {
        assert!(is_local(ended.clone()), "{ended}");
    }
    assert!(!is_local(serde_json::json!({ "exitCode": 1, "reason": "Error" })));
}

fn hopeless(pod: &Pod) -> Trouble {
    match judge(pod, &[]) {
        PodState::Hopeless(trouble) => trouble,
        other => panic!("expected hopeless, got {other:?}"),
    }
}

#[test]
fn a_container_that_crashed_has_to_outlive_its_last_try() {
    let crashed = |born: &str| {
        pod(serde_json::json!({ "phase": "Running", "containerStatuses": [{
            "name": "app", "image": "i", "imageID": "", "ready": true, "restartCount": 1,
            "state": { "running": { "startedAt": "2026-01-01T00:01:00Z" } },
            "lastState": { "terminated": { "exitCode": 1, "startedAt": born, "finishedAt": "2026-01-01T00:00:50Z" } },
        }]}))
    };
    let at = |text: &str| text.parse::<Timestamp>().ok();
    assert_eq!(
        outlives(&crashed("2026-01-01T00:00:30Z")),
        at("2026-01-01T00:01:20Z")
    );
    assert_eq!(
        outlives(&crashed("2025-12-31T00:00:00Z")),
        at("2026-01-01T00:02:00Z"),
        "a minute at most"
    );
    assert_eq!(outlives(&pod(serde_json::json!({ "phase": "Running" }))), None);
}

#[test]
fn a_missing_secret_is_hopeless_and_named() {
    let trouble = hopeless(&waiting(
        "CreateContainerConfigError",
        "secret \"db-credentials\" not found",
        0,
    ));
    assert_eq!(trouble.missing, Some(("Secret".into(), "db-credentials".into())));
    let mount = "MountVolume.SetUp failed for volume \"c\" : configmap \"web\" not found";
    let state = judge(
        &pod(serde_json::json!({ "phase": "Pending" })),
        &[mount.to_owned()],
    );
    assert!(matches!(state, PodState::Hopeless(t) if t.missing == Some(("ConfigMap".into(), "web".into()))));
}

#[test]
fn a_node_that_is_not_done_in_time_is_no_fault_of_the_application() {
    let judged = |message: &str| match judge(&waiting("CreateContainerError", message, 0), &[]) {
        PodState::Waiting(trouble) => (trouble.cause, trouble.local),
        state => panic!("{state:?}"),
    };
    for late in [
        "context deadline exceeded",
        "failed to sync configmap cache: timed out waiting for the condition",
    ] {
        assert_eq!(judged(late), (Cause::Sandbox, false), "{late}");
    }
    let own = "failed to create containerd task: no command specified";
    assert_eq!(judged(own), (Cause::Application, true));
}

#[test]
fn an_image_that_does_not_exist_is_told_from_a_registry_that_does_not_answer() {
    let gone = waiting(
        "ErrImagePull",
        "failed to resolve reference \"r/shop:1\": r/shop:1: not found",
        0,
    );
    assert_eq!(hopeless(&gone).cause, Cause::Application);
    let silent = waiting("ErrImagePull", "dial tcp: lookup r: no such host", 0);
    assert!(matches!(judge(&silent, &[]), PodState::Waiting(t) if t.cause == Cause::Sandbox));
    assert_eq!(
        hopeless(&waiting("ErrImageNeverPull", "", 0)).cause,
        Cause::Application
    );
}

#[test]
fn what_an_image_is_called_says_nothing_about_its_registry() {
    let state = |image: &str, message: &str| {
        let mut pod = waiting("ErrImagePull", message, 0);
        let containers = pod.status.as_mut().unwrap().container_statuses.as_mut();
        containers.unwrap()[0].image = image.to_owned();
        judge(&pod, &[])
    };
    let digest = "r/shop@sha256:4010f4035fbd";
    for (image, why) in [
        (digest, "failed to do request: Head: EOF"),
        (
            "r/forbidden:403",
            "unexpected status from HEAD request to https://r/v2/forbidden/manifests/403: 503 Service Unavailable",
        ),
        ("denied", "net/http: TLS handshake timeout"),
        (
            "r/shop:1",
            "failed to authorize: unauthorized: 429 Too Many Requests",
        ),
        ("r/shop:1", "proxy denied it: 502 Bad Gateway"),
    ] {
        let message = format!("failed to pull and unpack image \"{image}\": {why}");
        let silent = state(image, &message);
        assert!(
            matches!(&silent, PodState::Waiting(t) if t.cause == Cause::Sandbox),
            "{message}: {silent:?}"
        );
    }
    for why in [
        "unexpected status from HEAD request to https://r/v2/shop/manifests/1: 401 Unauthorized",
        "unexpected status from HEAD request to https://r/v2/shop/manifests/1: 403 Forbidden",
        "pull access denied, repository does not exist or may require authorization",
    ] {
        let message = format!("failed to pull and unpack image \"r/timeout:1\": {why}");
        assert!(
            matches!(state("r/timeout:1", &message), PodState::Hopeless(_)),
            "{message}"
        );
    }
}

#[test]
fn a_registry_that_fails_or_is_out_of_reach_is_the_sandbox() {
    let silent = |reason: &str, message: &str| {
        let state = judge(&waiting(reason, message, 0), &[]);
        assert!(
            matches!(&state, PodState::Waiting(t) if t.cause == Cause::Sandbox),
            "{reason}, {message}: {state:?}"
        );
    };
    for why in [
        "unexpected status from HEAD request to http://127.0.0.1:5001/v2/shop/manifests/1: 503 Service Unavailable",
        "pulling from host 127.0.0.1:5001 failed with status code [manifests 1]: 500 Internal Server Error",
        "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to \
         https://auth.r/token?service=r: 504 Gateway Timeout",
        "failed to do request: Head \"https://192.0.2.1:5000/v2/shop/manifests/1\": dial tcp 192.0.2.1:5000: i/o timeout",
        "failed to do request: Head \"https://192.0.2.1:5000/v2/shop/manifests/1\": dial tcp 192.0.2.1:5000: connect: \
         network is unreachable",
        "failed to do request: Head \"https://192.0.2.1:5000/v2/shop/manifests/1\": net/http: TLS handshake timeout",
    ] {
        let said = format!("failed to pull and unpack image \"r/shop:1\": {why}");
        silent("ErrImagePull", &said);
        let again = format!("Back-off pulling image \"r/shop:1\": ErrImagePull: {said}");
        silent("ImagePullBackOff", &again);
    }
    // The words of CRI-O, and of a runtime that does not answer itself.
    silent(
        "RegistryUnavailable",
        "image pull failed for r/shop:1 because the registry is unavailable: pinging container registry r: Get \
         \"https://r/v2/\": dial tcp 192.0.2.1:443: connect: connection refused",
    );
    silent(
        "ImageInspectError",
        "Failed to inspect image \"\": rpc error: code = DeadlineExceeded desc = context deadline exceeded",
    );
}

/// Kubelets before 1.32 say why only in the warning.
#[test]
fn what_a_registry_said_is_known_though_the_status_only_says_that_it_waits() {
    let waits = waiting("ImagePullBackOff", "Back-off pulling image \"shop:1\"", 0);
    let failed =
        |image: &str, why: &str| format!("Failed to pull image \"{image}\": rpc error: code = {why}");
    let absent = failed("shop:1", "NotFound desc = docker.io/library/shop:1: not found");
    let silent = failed("shop:1", "Unknown desc = dial tcp 192.0.2.1:443: i/o timeout");
    let other = failed("other:1", "NotFound desc = docker.io/library/other:1: not found");
    let is_hopeless = |warnings: &[&String]| {
        matches!(
            judge(&waits, &warnings.iter().copied().cloned().collect::<Vec<_>>()),
            PodState::Hopeless(_)
        )
    };
    assert!(is_hopeless(&[&silent, &absent]));
    assert!(!is_hopeless(&[&absent, &silent]), "the last word counts");
    assert!(!is_hopeless(&[&other]) && !is_hopeless(&[]));
}

#[test]
fn the_container_of_velero_is_not_the_application() {
    let pod = pod(
        serde_json::json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "restore-wait",
        "image": "velero-restore-helper:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "waiting": { "reason": "ErrImagePull", "message": "manifest unknown" } } }] }),
    );
    let state = judge(&pod, &[]);
    assert!(
        matches!(&state, PodState::Hopeless(t) if t.cause == Cause::RestoreEngine),
        "{state:?}"
    );
}

#[test]
fn a_pod_that_somebody_deletes_is_not_accused() {
    let mut pod = pod(serde_json::json!({ "phase": "Running" }));
    pod.metadata.deletion_timestamp = serde_json::from_value(serde_json::json!("2026-01-01T00:00:00Z")).ok();
    assert!(matches!(judge(&pod, &[]), PodState::Gone(t) if t.cause == Cause::Sandbox));
}

#[test]
fn a_container_that_runs_beside_the_others_counts_as_one_of_them() {
    let with = |policy: serde_json::Value| -> Pod {
        serde_json::from_value(serde_json::json!({ "metadata": { "name": "p" },
            "spec": { "containers": [{ "name": "app" }], "initContainers": [{ "name": "proxy", "restartPolicy": policy }] },
            "status": { "phase": "Running",
                "containerStatuses": [{ "name": "app", "image": "i", "imageID": "", "ready": true, "restartCount": 1 }],
                "initContainerStatuses": [{ "name": "proxy", "image": "i", "imageID": "", "ready": true, "restartCount": 4 }] } }))
        .unwrap()
    };
    let beside = with(serde_json::json!("Always"));
    assert_eq!((restarts(&beside), most_restarts(&beside)), (5, 4));
    assert_eq!(restarts(&with(serde_json::json!(null))), 1);
}

#[test]
fn what_was_not_even_started_does_not_accuse_the_application() {
    let pod = pod(serde_json::json!({ "phase": "Pending", "containerStatuses": [{
        "name": "app", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "waiting": { "reason": "ContainerCreating" } } }] }));
    let hangs = |warnings: &[&str]| {
        let warnings: Vec<String> = warnings.iter().map(|w| (*w).to_owned()).collect();
        match judge(&pod, &warnings) {
            PodState::Waiting(trouble) => (trouble.cause, trouble.message),
            other => panic!("expected waiting, got {other:?}"),
        }
    };
    let init = |state: serde_json::Value| serde_json::json!({ "name": "init", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state });
    let initialises = |state: serde_json::Value| {
        let mut pod = pod.clone();
        let waits = serde_json::json!({ "waiting": { "reason": "PodInitializing" } });
        let status = pod.status.as_mut().unwrap();
        status.init_container_statuses = serde_json::from_value(serde_json::json!([init(state)])).unwrap();
        let main = &mut status.container_statuses.as_mut().unwrap()[0];
        main.state = serde_json::from_value(waits).unwrap();
        match judge(&pod, &[]) {
            PodState::Waiting(trouble) => trouble.cause,
            other => panic!("expected waiting, got {other:?}"),
        }
    };
    let not_tried = serde_json::json!({ "waiting": { "reason": "PodInitializing" } });
    assert_eq!(initialises(not_tried), Cause::Sandbox);
    let works = serde_json::json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } });
    assert_eq!(
        initialises(works),
        Cause::Application,
        "it works, and does not end"
    );
    let pulls = (Cause::Sandbox, "container app is not started yet".to_owned());
    assert_eq!(hangs(&[]), pulls);
    let mount = "MountVolume.SetUp failed for volume \"data\" : rpc error: code = Unavailable";
    let mounts = format!("container app is not started yet: {mount}");
    assert_eq!(hangs(&[mount]), (Cause::Sandbox, mounts));
    let lacks = "MountVolume.SetUp failed for volume \"files\" : references non-existent config key: app.yml";
    match judge(&pod, &[lacks.to_owned()]) {
        PodState::Hopeless(trouble) => assert_eq!(
            (trouble.cause, trouble.message.as_str()),
            (Cause::Application, "the ConfigMap of a volume has no key app.yml")
        ),
        other => panic!("expected hopeless, got {other:?}"),
    }
}

#[test]
fn a_few_crashes_are_start_up_and_many_are_a_loop() {
    assert!(matches!(
        judge(&waiting("CrashLoopBackOff", "", 1), &[]),
        PodState::Waiting(_)
    ));
    let PodState::Crashing(trouble, _) = judge(&waiting("CrashLoopBackOff", "", 3), &[]) else {
        panic!("expected crashing")
    };
    assert!(trouble.message.contains("code 3"), "{}", trouble.message);
}

#[test]
fn a_pod_that_its_node_gave_up_is_the_sandbox_and_one_beyond_its_own_limit_is_not() {
    let cause = |status| match judge(&pod(status), &[]) {
        PodState::Gone(trouble) => trouble.cause,
        other => panic!("expected gone, got {other:?}"),
    };
    let evicted =
        |message: &str| serde_json::json!({ "phase": "Failed", "reason": "Evicted", "message": message });
    assert_eq!(
        cause(evicted("The node was low on resource: memory.")),
        Cause::Sandbox
    );
    let own = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi.";
    assert_eq!(cause(evicted(own)), Cause::Application);
    let preempted = serde_json::json!({ "phase": "Failed", "conditions": [
        { "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler" }] });
    assert_eq!(cause(preempted), Cause::Sandbox);
    assert_eq!(
        cause(serde_json::json!({ "phase": "Failed" })),
        Cause::Application
    );
}

#[test]
fn a_pod_awaits_its_data_until_veleros_own_container_is_done() {
    let restoring = |status: serde_json::Value| -> Pod {
        serde_json::from_value(serde_json::json!({ "metadata": { "name": "p" },
            "spec": { "containers": [], "initContainers": [{ "name": "restore-wait" }] }, "status": status }))
        .unwrap()
    };
    assert!(awaits_data(&restoring(serde_json::json!({ "phase": "Pending" }))));
    let wait = |ready: bool| {
        serde_json::json!({ "initContainerStatuses": [{ "name": "restore-wait", "image": "i",
        "imageID": "", "ready": ready, "restartCount": 0 }] })
    };
    assert!(awaits_data(&restoring(wait(false))));
    assert!(!awaits_data(&restoring(wait(true))));
    assert!(!awaits_data(&pod(serde_json::json!({ "phase": "Pending" }))));
}

#[test]
fn a_warning_that_is_ahead_of_the_status_of_a_pod_that_is_filled_is_waited_for() {
    let with = |state: serde_json::Value| {
        pod(
            serde_json::json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "restore-wait", "image": "i",
            "imageID": "", "ready": false, "restartCount": 0, "state": state }] }),
        )
    };
    let warned = [r#"Error: secret "db-credentials" not found"#.to_owned()];
    let filled = with(serde_json::json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } }));
    assert!(matches!(judge(&filled, &warned), PodState::Waiting(_)));
    let held = with(serde_json::json!({ "waiting": { "reason": "PodInitializing" } }));
    assert!(matches!(judge(&held, &warned), PodState::Hopeless(_)));
}

#[test]
fn ready_and_succeeded_are_fine() {
    let ready = pod(serde_json::json!({ "phase": "Running", "conditions": [
        { "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" }]}));
    assert_eq!(
        judge(&ready, &[]),
        PodState::Ready(Some("2026-01-01T00:00:00Z".parse().unwrap()))
    );
    assert_eq!(
        judge(&pod(serde_json::json!({ "phase": "Succeeded" })), &[]),
        PodState::Succeeded
    );
}

#[test]
fn an_unschedulable_pod_is_the_sandbox() {
    let pending = pod(serde_json::json!({ "phase": "Pending", "conditions": [
        { "type": "PodScheduled", "status": "False", "message": "0/1 nodes are available" }]}));
    assert!(matches!(judge(&pending, &[]), PodState::Waiting(t) if t.cause == Cause::Sandbox));
}

#[test]
fn a_pod_that_is_on_no_node_is_the_sandbox_whatever_it_waits_for() {
    let cause = |node: Option<&str>| {
        let pod: Pod = serde_json::from_value(serde_json::json!({ "metadata": { "name": "p" },
            "spec": { "containers": [], "initContainers": [{ "name": "restore-wait" }], "nodeName": node },
            "status": { "phase": "Pending" } }))
        .unwrap();
        match judge(&pod, &[]) {
            PodState::Waiting(trouble) => trouble.cause,
            other => panic!("expected waiting, got {other:?}"),
        }
    };
    assert_eq!(cause(None), Cause::Sandbox);
    assert_eq!(cause(Some("n1")), Cause::RestoreEngine);
}
