//! An installation with what default values leave out: rights, a network policy, receivers, a token for the API.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use kymaros_crds::RestoreTest;
use kymaros_testbed::scene::{
    AUTHORITY_SECRET, LISTED_KIND, apply, authority_in, forget_authority, forget_location, location, unique,
    until_allowed, wait_ready,
};
use serde_json::{Value, json};

use super::Stage;
use crate::{
    helm::NAMESPACE,
    story::{SMALL, create_test, report_when, spec},
};

/// What callers of the API change tests with.
const TOKEN: &str = "a token for tests";
/// The Secret of each receiver.
pub(super) const HOOK: &str = "hook";

impl Stage {
    /// A namespace with a Secret for receivers that tests there name, and one beside the operator for its own.
    pub async fn receivers(&mut self, name: &str) -> Result<String> {
        let home = self.scene.namespace(name).await?;
        for namespace in [&home, NAMESPACE] {
            let hook: Secret = serde_json::from_value(json!({
                "metadata": { "name": HOOK }, "stringData": { "url": "https://localhost/x" },
            }))?;
            let secrets = Api::<Secret>::namespaced(self.scene.client.clone(), namespace);
            secrets.create(&PostParams::default(), &hook).await?;
        }
        Ok(home)
    }

    pub fn install_with_other_values(&mut self, told: &str) -> Result<()> {
        let values = [
            "auth.mode=\"token\"".to_owned(),
            format!("auth.token={TOKEN:?}"),
            "clusters.enabled=true".to_owned(),
            "completeness.secrets=true".to_owned(),
            format!("completeness.customResources=[{LISTED_KIND:?}]"),
            "networkPolicy.enabled=true".to_owned(),
            "notifications.webhook.enabled=true".to_owned(),
            format!("notifications.webhook.webhookSecretRef={HOOK:?}"),
            format!("notifications.secrets=[{{\"namespace\": {told:?}, \"names\": [{HOOK:?}]}}]"),
            format!("velero.caSecrets=[{AUTHORITY_SECRET:?}]"),
        ];
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        self.install_with(&values)
    }

    /// A small application beside the operator: what it reaches is open.
    async fn neighbour(&mut self, name: &str) -> Result<String> {
        let namespace = self.scene.namespace(name).await?;
        self.homes.insert(name.to_owned(), namespace.clone());
        apply(&self.scene.client, &namespace, SMALL).await?;
        wait_ready(&self.scene.client, &namespace, "app=small", 1).await?;
        Ok(namespace)
    }

    /// What a pod of a namespace gets from an address when it sends this.
    fn sends(&self, namespace: &str, host: &str, port: u16, words: &str) -> Result<String> {
        // Whoever is asked takes the end of the words for the end of the connection, so they are held open until it ends.
        let script = format!(
            "mkfifo /tmp/words && {{ nc -w 5 {host} {port} < /tmp/words & exec 3> /tmp/words; rm /tmp/words; \
             printf '%s' \"$0\" >&3; wait $!; }}"
        );
        let args = [
            "exec",
            "--namespace",
            namespace,
            "deploy/web",
            "--",
            "sh",
            "-c",
            &script,
            words,
        ];
        self.scene.cluster.kubectl(&args)
    }

    /// A request of a pod to the API, and its answer as text.
    fn asks(&self, namespace: &str, method: &str, path: &str, token: &str, body: &Value) -> Result<String> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: kymaros-api.{NAMESPACE}.svc\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.sends(namespace, &format!("kymaros-api.{NAMESPACE}.svc"), 8080, &request)
    }

    /// Somebody with an account of the cluster reads tests by the API, and somebody without the right does not.
    pub async fn asks_as_an_account(&mut self, name: &str) -> Result<()> {
        let namespace = self.neighbour(name).await?;
        let account = format!("--serviceaccount={namespace}:reader");
        for object in [
            &["serviceaccount", "reader"][..],
            &[
                "role",
                "reader",
                "--verb=list",
                "--resource=restoretests.restore.kymaros.io,restorereports.restore.kymaros.io",
            ],
            &["rolebinding", "reader", "--role=reader", &account],
        ] {
            let create = [&["create"], object, &["--namespace", &namespace]].concat();
            self.scene.cluster.kubectl(&create)?;
        }
        let user = format!("system:serviceaccount:{namespace}:reader");
        let asked = json!({ "resourceAttributes": { "namespace": namespace, "verb": "list",
            "group": "restore.kymaros.io", "resource": "restoretests" } });
        until_allowed(&self.scene.client, &user, &asked).await?;
        let path = format!("/tests?namespace={namespace}");
        for (account, code) in [("default", 403), ("reader", 200)] {
            let token = ["create", "token", account, "--namespace", &namespace];
            let token = self.scene.cluster.kubectl(&token)?;
            let answer = self.asks(&namespace, "GET", &path, token.trim(), &Value::Null)?;
            ensure!(
                answer.starts_with(&format!("HTTP/1.1 {code}")),
                "{account}: {answer}"
            );
        }
        Ok(())
    }

    /// The network policy lets callers of API and metrics in, and nobody to the port of the probes.
    pub async fn is_closed_off(&mut self, name: &str) -> Result<()> {
        let namespace = self.neighbour(name).await?;
        let pods = Api::<Pod>::namespaced(self.scene.client.clone(), NAMESPACE);
        let replicas = ListParams::default().labels("app.kubernetes.io/component=operator");
        let mut addresses = pods
            .list(&replicas)
            .await?
            .into_iter()
            .filter_map(|pod| pod.status.and_then(|status| status.pod_ip));
        let address = addresses.next().context("no replica has an address")?;
        let answer = self.asks(&namespace, "GET", "/tests", "", &Value::Null)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let probe = "GET /readyz HTTP/1.1\r\nHost: kymaros\r\nConnection: close\r\n\r\n";
        if let Ok(answer) = self.sends(&namespace, &address, 8081, probe) {
            bail!("the port of the probes is open: {answer}");
        }
        // Metrics are there, over TLS: plain words end the connection, and are not swallowed.
        self.sends(&namespace, &address, 8443, probe)
            .context("the port of metrics is closed")?;
        Ok(())
    }

    /// The operator's own account does it, for whoever has the token, and for nobody else.
    pub async fn changes_a_test_by_token(&mut self, name: &str) -> Result<()> {
        let namespace = self.home(name)?.to_owned();
        let test = json!({ "name": "made", "namespace": namespace, "namespaces": [namespace], "cron": "@daily",
            "suspend": true });
        let refused = self.asks(&namespace, "POST", "/tests", "another", &test)?;
        ensure!(refused.starts_with("HTTP/1.1 401"), "{refused}");
        let made = self.asks(&namespace, "POST", "/tests", TOKEN, &test)?;
        ensure!(made.starts_with("HTTP/1.1 201"), "{made}");
        let path = format!("/tests/made?namespace={namespace}");
        let deleted = self.asks(&namespace, "DELETE", &path, TOKEN, &Value::Null)?;
        ensure!(deleted.starts_with("HTTP/1.1 204"), "{deleted}");
        let tests = Api::<RestoreTest>::namespaced(self.scene.client.clone(), &namespace);
        crate::story::gone(tests, "made").await
    }

    /// Two runs that cannot succeed: one test says who is told, of the other the operator's own receivers are.
    pub async fn tells(&mut self, told: &str) -> Result<()> {
        let block =
            json!({ "notifications": { "onFailure": [{ "type": "webhook", "webhookSecretRef": HOOK }] } });
        for (name, change) in [("told", block), ("plain", json!({}))] {
            let client = &self.scene.client;
            create_test(client, told, name, spec(&["elsewhere"], "never-taken", change)).await?;
            // The address is refused after it was read.
            report_when(client, told, name, "a refused address", |report| {
                let conditions = report.status.iter().flat_map(|status| &status.conditions);
                conditions
                    .clone()
                    .any(|c| c.type_ == "Notified" && c.message.contains("its name is of a loopback"))
            })
            .await?;
        }
        Ok(())
    }

    /// [`Stage::uses_everything`], and a storage location whose authority is in a Secret.
    pub async fn uses_everything_there_is(&mut self, name: &str) -> Result<()> {
        let client = self.scene.client.clone();
        let place = unique("trusted");
        let trust = authority_in(&client, AUTHORITY_SECRET).await?;
        location(&client, &place, &trust).await?;
        self.uses_everything(name, &json!({ "storageLocation": place }))
            .await?;
        forget_location(&client, &place).await?;
        forget_authority(&client, AUTHORITY_SECRET).await
    }
}
