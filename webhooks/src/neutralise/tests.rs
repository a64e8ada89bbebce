//! What a copy looks like once it is harmless.

use serde_json::{Value, json};

use super::{POLICIES, neutralise, untamed};
use crate::{
    answer::Answer,
    request::Request,
    sample::{Asked, LIVE, OPERATOR, VELERO, World},
};

/// The object as it would be stored.
fn stored(resource: &str, object: Value) -> Value {
    let asked = Asked::new(VELERO, "CREATE", resource).within(LIVE).object(object);
    let request: Request = asked.request();
    let mut result = serde_json::to_value(&request.object).unwrap();
    match neutralise(&request, &World::new()) {
        Answer::Patch(patch) => json_patch::patch(&mut result, &patch).unwrap(),
        other => panic!("{other:?}"),
    }
    result
}

#[test]
fn a_claim_takes_no_volume_but_one_of_its_sandbox() {
    let ask = |operation: &str, volume: Value| {
        let claim = json!({ "metadata": { "name": "data" }, "spec": { "volumeName": volume } });
        let asked = Asked::new(VELERO, operation, "persistentvolumeclaims").within(LIVE);
        neutralise(&asked.object(claim).request(), &World::new())
    };
    for foreign in ["pv-production", "pv-free"] {
        match ask("CREATE", json!(foreign)) {
            Answer::Deny(denial) => assert!(denial.message().contains(foreign), "{}", denial.message()),
            other => panic!("{foreign}: {other:?}"),
        }
    }
    for own in [json!("pv-copy"), json!("pv-not-there"), json!(""), json!(null)] {
        assert!(ask("CREATE", own.clone()).is_allowed(), "{own}");
    }
    let bound = ask("UPDATE", json!("pv-production"));
    assert!(bound.is_allowed(), "the binding of Kubernetes is its own");
}

#[test]
fn nothing_scheduled_runs() {
    for resource in ["cronjobs.batch", "jobs.batch"] {
        let object = stored(
            resource,
            json!({ "metadata": { "name": "x" }, "spec": { "suspend": false } }),
        );
        assert_eq!(object["spec"]["suspend"], true, "{resource}");
    }
}

#[test]
fn a_service_asks_for_nothing_outside() {
    for outside in ["LoadBalancer", "NodePort"] {
        let service = stored(
            "services",
            json!({ "metadata": { "name": "web", "annotations": {
                        "external-dns.alpha.kubernetes.io/hostname": "shop.example.com", "keep": "me" } },
                    "spec": { "type": outside, "externalIPs": ["192.0.2.1"], "loadBalancerIP": "192.0.2.2",
                              "externalTrafficPolicy": "Local", "healthCheckNodePort": 30001,
                              "ports": [{ "port": 80, "nodePort": 30080 }], "selector": { "app": "web" } } }),
        );
        assert_eq!(
            service["spec"],
            json!({ "type": "ClusterIP", "ports": [{ "port": 80 }], "selector": { "app": "web" } })
        );
        assert_eq!(service["metadata"]["annotations"], json!({ "keep": "me" }));
    }
    let name =
        json!({ "metadata": { "name": "db" }, "spec": { "type": "ExternalName", "externalName": "x.y" } });
    assert_eq!(stored("services", name)["spec"]["type"], "ExternalName");
}

#[test]
fn no_policy_of_anybody_opens_a_sandbox() {
    let all =
        json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}] });
    let closed =
        json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": [] });
    for (group, resource) in POLICIES {
        let open = json!({ "metadata": { "name": "open" }, "spec": all, "specs": [all] });
        let policy = stored(&format!("{resource}.{group}"), open);
        let mut meant = closed.clone();
        if group.ends_with("projectcalico.org") {
            meant["selector"] = json!("!all()");
        }
        assert_eq!(
            (&policy["spec"], &policy["specs"][0]),
            (&meant, &closed),
            "{group}"
        );
    }
    let of_others = json!({ "metadata": { "name": "open" }, "spec": all });
    assert_eq!(stored("networkpolicies.example.com", of_others)["spec"], all);
    for denies in [
        json!({ "podSelector": {} }),
        json!({ "podSelector": {}, "ingress": [] }),
    ] {
        let policy = json!({ "spec": denies });
        assert!(untamed("networking.k8s.io", "networkpolicies", &policy).is_empty());
    }
}

#[test]
fn what_a_policy_says_stays_and_marks_on_it_do_too() {
    let policy = |marks: Value, egress: Value| json!({ "metadata": { "name": "deny-all", "finalizers": marks }, "spec": { "egress": egress } });
    let own = json!([{ "to": [{ "podSelector": {} }] }]);
    let asked = || Asked::new(VELERO, "UPDATE", "networkpolicies.networking.k8s.io").within(LIVE);
    let marks = json!(["networking.k8s.aws/resources"]);
    for egress in [own.clone(), json!([{}]), json!([])] {
        let changed = policy(marks.clone(), egress);
        let request: Request = asked()
            .object(changed.clone())
            .old(policy(json!([]), own.clone()))
            .request();
        let Answer::Patch(patch) = neutralise(&request, &World::new()) else {
            panic!("refused")
        };
        let mut result = changed;
        json_patch::patch(&mut result, &patch).unwrap();
        assert_eq!(result["spec"]["egress"], own);
        assert_eq!(result["metadata"]["finalizers"], marks);
    }
}

#[test]
fn pods_are_low_and_what_describes_them_stays_as_its_controller_knows_it() {
    let pod = json!({ "priorityClassName": "critical", "priority": 1000, "preemptionPolicy": "PreemptLowerPriority",
                      "readinessGates": [{ "conditionType": "target-health.elbv2.k8s.aws/web" }],
                      "containers": [{ "name": "c", "ports": [{ "containerPort": 80, "hostPort": 80 }] }] });
    let low = json!({ "priorityClassName": "kymaros-sandbox",
                      "containers": [{ "name": "c", "ports": [{ "containerPort": 80 }] }] });
    let bare = stored("pods", json!({ "metadata": { "name": "p" }, "spec": pod }));
    assert_eq!(bare["spec"], low);
    for resource in [
        "deployments.apps",
        "replicasets.apps",
        "statefulsets.apps",
        "daemonsets.apps",
    ] {
        let spec = json!({ "template": { "spec": pod } });
        let workload = stored(resource, json!({ "metadata": { "name": "w" }, "spec": spec }));
        assert_eq!(workload["spec"], spec, "{resource}");
    }
}

#[test]
fn restore_hooks_do_nothing_and_what_the_application_does_first_stays() {
    let init = |image: &str, name: &str| {
        json!({ "init.hook.restore.velero.io/container-image": image, "keep": "me",
                "init.hook.restore.velero.io/container-name": name,
                "post.hook.restore.velero.io/command": "[\"/bin/call-home\"]" })
    };
    let pod = |annotations: Value, restored: bool, names: &[&str]| {
        let containers: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        let labels = if restored {
            json!({ "velero.io/restore-name": "kymaros-0a1b2c3d-0" })
        } else {
            json!({})
        };
        let metadata = json!({ "name": "p", "annotations": annotations, "labels": labels });
        let spec = json!({ "initContainers": containers, "containers": [{ "name": "c" }] });
        stored("pods", json!({ "metadata": metadata, "spec": spec }))
    };
    let left = |pod: &Value| -> Vec<String> {
        let containers = pod["spec"]["initContainers"].as_array().unwrap();
        let names = containers.iter().map(|c| c["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let named = pod(
        init("hook:1", "call-home"),
        true,
        &["restore-wait", "call-home", "own"],
    );
    assert_eq!(left(&named), ["restore-wait", "own"]);
    assert_eq!(named["metadata"]["annotations"], json!({ "keep": "me" }));
    let velero_named = ["velero-restore-init-0a1b2c3d", "velero-restore-init-db", "own"];
    let unnamed = pod(init("hook:1", ""), true, &velero_named);
    assert_eq!(left(&unnamed), ["velero-restore-init-db", "own"]);
    let twice = ["call-home", "call-home"];
    assert_eq!(
        left(&pod(init("hook:1", "call-home"), true, &twice)),
        twice,
        "one is the application's, and no restore can make this pod"
    );
    let made_by_its_controller = pod(init("hook:1", "own"), false, &["own"]);
    assert_eq!(left(&made_by_its_controller), ["own"]);
    assert_eq!(
        left(&pod(init("", "own"), true, &["own"])),
        ["own"],
        "no image, no hook"
    );
}

#[test]
fn what_the_api_server_worked_out_from_the_class_stays() {
    let spec = json!({ "priorityClassName": "kymaros-sandbox", "priority": -1000, "preemptionPolicy": "Never",
                       "containers": [{ "name": "c" }] });
    let pod = stored("pods", json!({ "metadata": { "name": "p" }, "spec": spec }));
    assert_eq!(pod["spec"], spec);
}

#[test]
fn a_copy_holds_nothing_outside_and_stays_out_of_backups() {
    let metadata = json!({ "name": "x", "finalizers": ["cloud.example.com/release", "kubernetes.io/pvc-protection"],
        "labels": { "argocd.argoproj.io/instance": "shop", "app": "web", "app.kubernetes.io/instance": "shop" } });
    let claim = stored(
        "persistentvolumeclaims",
        json!({ "metadata": metadata, "spec": {} }),
    );
    assert_eq!(
        claim["metadata"]["finalizers"],
        json!(["kubernetes.io/pvc-protection"])
    );
    assert_eq!(
        claim["metadata"]["labels"],
        json!({ "app": "web", "velero.io/exclude-from-backup": "true" })
    );
}

/// A Deployment whose replica set has not all labels of its selector makes another, and another.
#[test]
fn labels_stay_by_which_controllers_know_their_own() {
    let labels = json!({ "app.kubernetes.io/instance": "shop", "app.kubernetes.io/name": "web" });
    let instance = |resource: &str, owners: Value| {
        let metadata = json!({ "name": "x", "labels": labels, "ownerReferences": owners });
        let object = stored(resource, json!({ "metadata": metadata, "spec": {} }));
        object["metadata"]["labels"]["app.kubernetes.io/instance"] == "shop"
    };
    for adopted in ["pods", "replicasets.apps", "controllerrevisions.apps"] {
        assert!(instance(adopted, json!(null)), "{adopted}");
    }
    let owner = json!([{ "apiVersion": "example.com/v1", "kind": "Cluster", "name": "db", "uid": "u" }]);
    assert!(instance("services", owner));
    for own in [json!(null), json!([])] {
        assert!(!instance("services", own.clone()), "{own}");
        assert!(!instance("deployments.apps", own));
    }
}

#[test]
fn doing_it_twice_changes_nothing() {
    let first = stored(
        "services",
        json!({ "metadata": { "name": "x" }, "spec": { "type": "NodePort" } }),
    );
    assert_eq!(stored("services", first.clone()), first);
}

/// What acts or is reached from outside, by the fields for which it does.
fn wild() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let service = |spec: Value| json!({ "metadata": { "name": "web" }, "spec": spec });
    let job = json!({ "metadata": { "name": "x" }, "spec": { "suspend": false } });
    let unsaid = json!({ "metadata": { "name": "x" }, "spec": {} });
    let ports = json!([{ "port": 80 }, { "port": 81, "nodePort": 30080 }]);
    let balanced = json!({ "type": "LoadBalancer", "loadBalancerClass": "cloud" });
    let first = json!({ "metadata": { "name": "x" },
                        "spec": { "priorityClassName": "critical", "priority": 1000, "containers": [{ "name": "c" }] } });
    vec![
        ("pods", first, vec!["spec.priority"]),
        ("cronjobs.batch", job.clone(), vec!["spec.suspend"]),
        ("jobs.batch", job, vec!["spec.suspend"]),
        ("jobs.batch", unsaid, vec!["spec.suspend"]),
        (
            "services",
            service(json!({ "type": "NodePort", "ports": ports })),
            vec!["spec.ports.1.nodePort", "spec.type"],
        ),
        (
            "services",
            service(balanced),
            vec!["spec.loadBalancerClass", "spec.type"],
        ),
        (
            "services",
            service(json!({ "type": "ClusterIP", "externalIPs": ["192.0.2.1"] })),
            vec!["spec.externalIPs"],
        ),
    ]
}

fn untamed_of(resource: &str, object: &Value) -> Vec<String> {
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    untamed(group, resource, object)
}

#[test]
fn what_was_stored_without_being_asked_about_is_told_by_its_fields_and_what_was_made_harmless_is_not() {
    for (resource, object, fields) in wild() {
        assert_eq!(untamed_of(resource, &object), fields, "{object}");
        let harmless = stored(resource, object);
        assert_eq!(
            untamed_of(resource, &harmless),
            Vec::<String>::new(),
            "{harmless}"
        );
        let mut going = harmless;
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        going["spec"] = json!({ "type": "NodePort", "suspend": false });
        assert_eq!(untamed_of(resource, &going), Vec::<String>::new(), "{going}");
    }
}

#[test]
fn what_others_write_into_a_harmless_object_later_reaches_nothing() {
    let later = json!({ "name": "x", "finalizers": ["example.com/cloud"],
                        "annotations": { "external-dns.alpha.kubernetes.io/hostname": "shop.example.com" } });
    let named = json!({ "type": "ExternalName", "externalName": "db.example.com" });
    let given = json!({ "type": "ClusterIP", "clusterIP": "10.0.0.7", "internalTrafficPolicy": "Cluster",
                        "ports": [{ "port": 80, "protocol": "TCP", "targetPort": 8080 }] });
    for spec in [named, given] {
        let service = json!({ "metadata": later, "spec": spec, "status": { "loadBalancer": {} } });
        assert_eq!(
            untamed_of("services", &service),
            Vec::<String>::new(),
            "{service}"
        );
    }
    let done = json!({ "metadata": later, "spec": { "suspend": true, "completions": 0 },
                       "status": { "conditions": [{ "type": "Complete", "status": "True" }] } });
    assert_eq!(untamed_of("jobs.batch", &done), Vec::<String>::new());
    let pod =
        json!({ "metadata": later, "spec": { "priorityClassName": "kymaros-sandbox", "priority": -10 } });
    assert_eq!(
        untamed_of("pods", &pod),
        Vec::<String>::new(),
        "it does nothing by itself"
    );
}

#[test]
fn storage_of_production_does_not_come_in_through_a_pod() {
    let asked = Asked::new(
        "system:serviceaccount:kube-system:replicaset-controller",
        "CREATE",
        "pods",
    )
    .within(LIVE)
    .object(json!({ "metadata": { "name": "p" }, "spec": { "volumes": [{ "name": "d", "nfs": {} }] } }));
    assert!(!neutralise(&asked.request(), &World::new()).is_allowed());
}

#[test]
fn the_fences_and_what_is_going_are_left_alone() {
    let object = json!({ "metadata": { "name": "x" }, "spec": { "type": "NodePort" } });
    let ours = Asked::new(OPERATOR, "CREATE", "services")
        .within(LIVE)
        .object(object);
    assert_eq!(neutralise(&ours.request(), &World::new()), Answer::allow());
    let going = json!({ "metadata": { "name": "x", "finalizers": ["a/b"], "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    let going = Asked::new("someone", "UPDATE", "services")
        .within(LIVE)
        .object(going);
    assert_eq!(neutralise(&going.request(), &World::new()), Answer::allow());
}
