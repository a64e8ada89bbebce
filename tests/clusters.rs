//! A hub and another cluster: two real API servers, each with an etcd of its own, and an operator with the chart's rights.

mod helm;
mod host;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use helm::{NAMESPACE, pipe, template};
use host::{Operator, free_addresses, install_with};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use kymaros::license::{self, KeyLength, SigningSecret};
use kymaros_crds::{RestoreReport, RestoreTest, names::LICENSE_SECRET};
use kymaros_testbed::{
    cluster::Cluster,
    lone::ApiServer,
    scene::{SIGNING_KEY, unique, until_allowed},
};
use serde_json::{Value, json};

/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Where the tests are.
const OPS: &str = "ops";

/// An operator that shows other clusters.
struct Hub {
    server: ApiServer,
    operator: Operator,
    client: Client,
    http: reqwest::Client,
    base: String,
    metrics: String,
    files: PathBuf,
}

impl Hub {
    async fn start() -> Result<Self> {
        let server = ApiServer::start().await?;
        install_with(&server, &["--set=clusters.enabled=true"])?;
        let cluster = server.cluster();
        // Nobody serves them here, and tests are made by hand.
        for kind in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
            cluster.kubectl(&["delete", kind, "--all"])?;
        }
        let client = server.client().await?;
        // A right that is known too late would be said to be forbidden.
        let user = format!("system:serviceaccount:{NAMESPACE}:kymaros");
        for (group, resource, namespace) in [
            ("restore.kymaros.io", "restoretests", ""),
            ("", "secrets", NAMESPACE),
        ] {
            let list = json!({ "resourceAttributes": {
                "verb": "list", "group": group, "resource": resource, "namespace": namespace } });
            until_allowed(&client, &user, &list).await?;
        }
        let files = std::env::temp_dir().join(unique("kymaros-hub"));
        std::fs::create_dir_all(&files)?;
        let account = files.join("account");
        std::fs::write(
            &account,
            kubeconfig(&server, &token(&cluster, "kymaros")?)?.to_string(),
        )?;
        let [api, metrics] = free_addresses()?;
        let operator = Operator::start_as(
            &account,
            &[
                "--clusters=true",
                "--api-auth=none",
                "--api-requests-per-second=100000",
                &format!("--api-bind-address={api}"),
                &format!("--metrics-bind-address={metrics}"),
                "--metrics-secure=false",
            ],
            &[(SigningSecret::VARIABLE, SIGNING_KEY)],
        )?;
        let hub = Self {
            client,
            server,
            operator,
            http: reqwest::Client::new(),
            base: format!("http://{api}"),
            metrics: format!("http://{metrics}/metrics"),
            files,
        };
        hub.until("the API answers", async || {
            Ok(hub.get("/api/v1/health").await.is_ok())
        })
        .await?;
        Ok(hub)
    }

    async fn send(&self, method: &str, path: &str) -> Result<(u16, String)> {
        let request = self.http.request(method.parse()?, format!("{}{path}", self.base));
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Code and JSON.
    async fn get(&self, path: &str) -> Result<(u16, Value)> {
        let (code, text) = self.send("GET", path).await?;
        Ok((code, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<Duration> {
        let begun = Instant::now();
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            let log = || std::fs::read_to_string(&self.operator.log).unwrap_or_default();
            if is_so().await.with_context(|| format!("{what}\n{}", log()))? {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > PATIENCE {
                let clusters = self.get("/api/v1/clusters").await;
                bail!("{what}: not within {PATIENCE:?}; {clusters:?}\n{}", log());
            }
        }
    }

    /// Names of the tests of a cluster that are shown.
    async fn tests_of(&self, cluster: &str) -> Result<Vec<String>> {
        let (_, rows) = self.get("/api/v1/tests").await?;
        let of = rows.as_array().into_iter().flatten();
        let of = of.filter(|row| row["cluster"] == cluster);
        Ok(of
            .filter_map(|row| Some(row["name"].as_str()?.to_owned()))
            .collect())
    }

    async fn state_of(&self, cluster: &str) -> Result<Value> {
        let (_, rows) = self.get("/api/v1/clusters").await?;
        let mut rows = rows.as_array().cloned().unwrap_or_default().into_iter();
        Ok(rows.find(|row| row["name"] == cluster).unwrap_or_default())
    }

    async fn until_state(&self, cluster: &str, state: &str) -> Result<Duration> {
        self.until(&format!("{cluster} is {state}"), async || {
            Ok(self.state_of(cluster).await?["state"] == state)
        })
        .await
    }

    async fn metrics(&self) -> Result<String> {
        Ok(self.http.get(&self.metrics).send().await?.text().await?)
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn apply(&self, secret: &Value) -> Result<()> {
        let name = secret["metadata"]["name"].as_str().context("no name")?;
        let params = PatchParams::apply("kymaros-tests").force();
        self.secrets().patch(name, &params, &Patch::Apply(secret)).await?;
        Ok(())
    }

    async fn license(&self, tier: &str) -> Result<()> {
        let signing = SigningSecret::new(SIGNING_KEY).context("no signing key")?;
        let key = license::sign(&signing, tier, "", KeyLength::Full);
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": LICENSE_SECRET },
            "stringData": { "tier": tier, "key": key, "expires": "" },
        }))
        .await
    }

    /// The time that most answers about this cluster itself take.
    async fn own_answers(&self) -> Result<Duration> {
        let mut times = Vec::new();
        for _ in 0..100 {
            let begun = Instant::now();
            ensure!(self.get("/api/v1/tests?cluster=local").await?.0 == 200);
            times.push(begun.elapsed());
        }
        times.sort();
        Ok(times[98])
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.files);
    }
}

fn token(cluster: &Cluster, account: &str) -> Result<String> {
    let token = cluster.kubectl(&["create", "token", account, "--namespace", NAMESPACE])?;
    Ok(token.trim().to_owned())
}

/// A way to an API server, whose certificate is verified.
fn kubeconfig(server: &ApiServer, token: &str) -> Result<Value> {
    let authority = k8s_openapi::ByteString(server.authority()?.into_bytes());
    Ok(json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        "clusters": [{ "name": "c", "cluster": {
            "server": server.address(), "certificate-authority-data": authority } }],
        "users": [{ "name": "u", "user": { "token": token } }],
    }))
}

fn named(cluster: &str, kubeconfig: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": format!("cluster-{cluster}"), "labels": { "kymaros.io/cluster": cluster } },
        "stringData": { "kubeconfig": kubeconfig },
    })
}

/// Another cluster, with the account that the chart makes for the hub.
struct Remote {
    server: ApiServer,
    client: Client,
}

impl Remote {
    async fn start() -> Result<Self> {
        let server = ApiServer::start().await?;
        let cluster = server.cluster();
        let apply = ["apply", "--server-side", "--filename", "-"];
        pipe(&cluster, "kubectl", &apply, &kymaros_crds::generate::yaml())?;
        for namespace in [NAMESPACE, OPS] {
            cluster.kubectl(&["create", "namespace", namespace])?;
        }
        let reader = template(&[
            "--set=clusters.reader.enabled=true",
            "--show-only=templates/clusters.yaml",
        ])?;
        pipe(&cluster, "kubectl", &apply, &reader)?;
        let client = server.client().await?;
        Ok(Self { server, client })
    }

    /// What the controller of tokens does in a whole cluster.
    async fn fill_reader(&self) -> Result<()> {
        let token = token(&self.server.cluster(), "kymaros-cluster-reader")?;
        let filled = json!({ "stringData": { "token": token, "ca.crt": self.server.authority()? } });
        let secrets = Api::<Secret>::namespaced(self.client.clone(), NAMESPACE);
        secrets
            .patch(
                "kymaros-cluster-reader",
                &PatchParams::default(),
                &Patch::Merge(&filled),
            )
            .await?;
        Ok(())
    }

    fn way(&self) -> Result<String> {
        let token = token(&self.server.cluster(), "kymaros-cluster-reader")?;
        Ok(kubeconfig(&self.server, &token)?.to_string())
    }

    async fn test(&self, name: &str) -> Result<()> {
        make_test(&self.client, name).await
    }

    async fn report(&self, name: &str) -> Result<()> {
        let reports = Api::<RestoreReport>::namespaced(self.client.clone(), OPS);
        let report = json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport",
            "metadata": { "name": name, "namespace": OPS },
            "spec": { "testRef": "erp", "trigger": "Schedule" },
        });
        reports
            .create(&PostParams::default(), &serde_json::from_value(report)?)
            .await?;
        let now = jiff::Timestamp::now().to_string();
        let status = json!({ "status": {
            "phase": "Completed", "result": "pass", "score": 97, "startedAt": now, "completedAt": now,
            "podLogs": [{ "namespace": "x", "podName": "x", "containers": [
                { "name": "c", "type": "container", "log": "a password" }] }],
        } });
        reports
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await?;
        Ok(())
    }
}

async fn make_test(client: &Client, name: &str) -> Result<()> {
    let test = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": name, "namespace": OPS },
        "spec": { "backupSource": { "provider": "velero", "namespaces": [{ "name": name }] },
                  "schedule": { "cron": "0 3 * * *" }, "sandbox": {}, "suspend": true },
    });
    Api::<RestoreTest>::namespaced(client.clone(), OPS)
        .create(&PostParams::default(), &serde_json::from_value(test)?)
        .await?;
    Ok(())
}

/// The commands of the documentation, run as they are but for the address.
fn follow_the_documentation(hub: &Hub, remote: &Remote) -> Result<()> {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/several-clusters.md"))?;
    let commands = page
        .split("```sh elsewhere=two-clusters\n")
        .nth(1)
        .context("no commands")?;
    let commands = commands.split("```").next().context("no end")?;
    let written = "server=https://eu.example.com:6443";
    ensure!(commands.contains(written), "{commands}");
    let commands = commands.replace(written, &format!("server={}", remote.server.address()));
    let context = |name: &str, server: &ApiServer| -> Result<Value> {
        let text = std::fs::read_to_string(server.cluster().kubeconfig)?;
        let whole: Value = serde_saphyr::from_str(&text)?;
        Ok(json!({
            "context": { "name": name, "context": { "cluster": name, "user": name } },
            "cluster": { "name": name, "cluster": whole["clusters"][0]["cluster"] },
            "user": { "name": name, "user": whole["users"][0]["user"] },
        }))
    };
    let both = [context("hub", &hub.server)?, context("eu", &remote.server)?];
    let all = |key: &str| both.iter().map(|one| one[key].clone()).collect::<Vec<_>>();
    let contexts = json!({ "apiVersion": "v1", "kind": "Config",
        "contexts": all("context"), "clusters": all("cluster"), "users": all("user") });
    std::fs::write(hub.files.join("contexts"), contexts.to_string())?;
    let path = format!(
        "{}:{}",
        remote.server.cluster().bin_dir.display(),
        std::env::var("PATH")?
    );
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands])
        .current_dir(&hub.files)
        .env("KUBECONFIG", hub.files.join("contexts"))
        .env("PATH", path)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[tokio::test]
async fn another_cluster_is_shown_followed_lost_and_found_again() -> Result<()> {
    let (hub, mut remote) = (Hub::start().await?, Remote::start().await?);
    hub.server.cluster().kubectl(&["create", "namespace", OPS])?;
    make_test(&hub.client, "shop").await?;
    remote.test("shop").await?;
    remote.test("erp").await?;
    remote.report("erp-1").await?;
    remote.fill_reader().await?;
    follow_the_documentation(&hub, &remote)?;

    without_a_license_it_is_noted_and_not_connected(&hub).await?;
    with_a_license_every_page_shows_it(&hub).await?;
    its_reports_appear_at_once(&hub, &remote).await?;
    it_is_only_read(&hub).await?;
    it_hangs(&hub, &remote).await?;
    it_goes_and_comes_back(&hub, &mut remote).await?;
    it_is_named_no_more(&hub).await?;
    let log = std::fs::read_to_string(&hub.operator.log)?;
    // The other one, just started, does not know its own roles for a moment.
    let mut of_its_own = log
        .lines()
        .filter(|line| !line.contains("another cluster is away"));
    ensure!(
        !of_its_own.any(|line| line.contains("forbidden")),
        "the chart gives too few rights:\n{log}"
    );
    Ok(())
}

async fn without_a_license_it_is_noted_and_not_connected(hub: &Hub) -> Result<()> {
    hub.until("the Secret is noted", async || {
        let answer = hub
            .http
            .get(format!("{}/api/v1/clusters", hub.base))
            .send()
            .await?;
        let said = answer.headers().get("kymaros-notice").cloned();
        Ok(said.is_some_and(|said| {
            said.to_str()
                .is_ok_and(|said| said.contains("1 cluster is named"))
        }))
    })
    .await?;
    ensure!(hub.tests_of("eu").await?.is_empty());
    Ok(())
}

async fn with_a_license_every_page_shows_it(hub: &Hub) -> Result<()> {
    hub.license("enterprise").await?;
    let took = hub
        .until("tests of eu are there", async || {
            Ok(hub.tests_of("eu").await? == ["erp", "shop"])
        })
        .await?;
    println!("{took:?} from the license to the tests of another cluster");
    // Its reports may come a moment later.
    hub.until_state("eu", "reachable").await?;
    let (code, page) = hub.send("GET", "/tests").await?;
    ensure!(
        code == 200 && page.contains("/tests/ops/erp?cluster=eu"),
        "{page}"
    );
    let (code, page) = hub.send("GET", "/reports/ops/erp-1?cluster=eu").await?;
    ensure!(code == 200 && page.contains("97<small> of 100"), "{page}");
    ensure!(!page.contains("a password"), "logs came along: {page}");
    for path in [
        "/",
        "/clusters",
        "/compliance?cluster=eu",
        "/schedules",
        "/settings",
        "/tests/ops/erp?cluster=eu",
    ] {
        let (code, page) = hub.send("GET", path).await?;
        ensure!(code == 200, "{path}: {page}");
    }
    Ok(())
}

async fn its_reports_appear_at_once(hub: &Hub, remote: &Remote) -> Result<()> {
    let mut times = Vec::new();
    for number in 2..22 {
        let name = format!("erp-{number}");
        let begun = Instant::now();
        remote.report(&name).await?;
        hub.until(&name, async || {
            let (code, report) = hub.get(&format!("/api/v1/reports/{name}")).await?;
            Ok(code == 200 && report["cluster"] == "eu" && report["status"]["score"] == 97)
        })
        .await?;
        times.push(begun.elapsed());
    }
    times.sort();
    println!(
        "a report of another cluster, from before it was made to here: {:?} at half, {:?} at most",
        times[times.len() / 2],
        times[times.len() - 1]
    );
    ensure!(times[times.len() / 2] < Duration::from_secs(3), "{times:?}");
    Ok(())
}

async fn it_is_only_read(hub: &Hub) -> Result<()> {
    let (code, asked) = hub.get("/api/v1/tests/shop").await?;
    ensure!(
        (code, &asked["choices"]) == (409, &json!(["local", "eu"])),
        "{asked}"
    );
    let (code, said) = hub.send("POST", "/api/v1/tests/erp/trigger").await?;
    ensure!(code == 422 && said.contains("only read"), "{said}");
    Ok(())
}

/// Nothing is refused, and nothing comes.
async fn it_hangs(hub: &Hub, remote: &Remote) -> Result<()> {
    let before = hub.own_answers().await?;
    remote.server.freeze()?;
    let took = hub.until_state("eu", "away").await?;
    println!("{took:?} until a cluster that hangs is away");
    let state = hub.state_of("eu").await?;
    let why = state["problem"].as_str().unwrap_or_default();
    ensure!(why.starts_with("it did not answer in time"), "{state}");
    ensure!(
        state["knownAgeSeconds"].as_u64().is_some_and(|age| age > 0),
        "{state}"
    );
    ensure!(
        hub.tests_of("eu").await? == ["erp", "shop"],
        "what is known stays"
    );
    let (_, page) = hub.send("GET", "/tests").await?;
    ensure!(
        page.contains("Cluster eu has been away since") && page.contains("away, "),
        "{page}"
    );
    let hung = hub.own_answers().await?;
    println!("98 of 100 answers within {before:?}, and within {hung:?} while another cluster hangs");
    ensure!(hung < Duration::from_secs(1), "{hung:?}");
    let metrics = hub.metrics().await?;
    ensure!(
        metrics.contains("kymaros_remote_cluster_up{cluster=\"eu\"} 0"),
        "{metrics}"
    );
    remote.server.thaw()?;
    let took = hub.until_state("eu", "reachable").await?;
    println!("{took:?} until it is back");
    Ok(())
}

async fn it_goes_and_comes_back(hub: &Hub, remote: &mut Remote) -> Result<()> {
    remote.server.stop()?;
    let took = hub.until_state("eu", "away").await?;
    println!("{took:?} until a cluster that is gone is away");
    let problem = hub.state_of("eu").await?["problem"].clone();
    ensure!(
        problem
            .as_str()
            .is_some_and(|why| why.contains("could not be reached")),
        "{problem}"
    );
    ensure!(hub.own_answers().await? < Duration::from_secs(1));
    remote.server.start_again().await?;
    remote.report("erp-back").await?;
    hub.until("what was made since is there", async || {
        Ok(hub.get("/api/v1/reports/erp-back").await?.0 == 200)
    })
    .await?;
    hub.until_state("eu", "reachable").await?;
    let metrics = hub.metrics().await?;
    ensure!(
        metrics.contains("kymaros_remote_cluster_up{cluster=\"eu\"} 1"),
        "{metrics}"
    );
    Ok(())
}

async fn it_is_named_no_more(hub: &Hub) -> Result<()> {
    hub.secrets()
        .delete("cluster-eu", &kube::api::DeleteParams::default())
        .await?;
    hub.until("nothing of eu is left", async || {
        let reports = hub.get("/api/v1/reports/erp-1").await?.0;
        Ok(hub.tests_of("eu").await?.is_empty() && reports == 404)
    })
    .await?;
    ensure!(!hub.metrics().await?.contains("remote_cluster"));
    ensure!(
        hub.get("/api/v1/tests/shop").await?.0 == 200,
        "it is in one cluster only now"
    );
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_no_way_is_said_to_be_and_one_that_is_mended_works_at_once() -> Result<()> {
    let (hub, remote) = (Hub::start().await?, Remote::start().await?);
    hub.license("enterprise").await?;
    remote.test("erp").await?;
    let exec = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        "clusters": [{ "name": "c", "cluster": { "server": remote.server.address() } }],
        "users": [{ "name": "u", "user": { "exec": { "command": "/bin/touch", "args": ["/tmp/a-password"] } } }],
    });
    hub.apply(&named("eu", &exec.to_string())).await?;
    hub.until_state("eu", "refused").await?;
    let state = hub.state_of("eu").await?;
    let problem = state["problem"].as_str().unwrap_or_default();
    ensure!(
        problem.contains("user.exec") && problem.contains("user.token"),
        "{state}"
    );
    let (_, page) = hub.send("GET", "/clusters").await?;
    ensure!(
        page.contains("cluster-eu") && page.contains("user.exec"),
        "{page}"
    );

    let stranger = kubeconfig(&remote.server, "made-up")?.to_string();
    hub.apply(&named("eu", &stranger)).await?;
    hub.until("it is not known there", async || {
        let state = hub.state_of("eu").await?;
        Ok(state["state"] == "away"
            && state["problem"]
                .as_str()
                .is_some_and(|why| why.contains("new token")))
    })
    .await?;

    hub.apply(&named("eu", &remote.way()?)).await?;
    hub.until("its tests are there", async || {
        Ok(hub.tests_of("eu").await? == ["erp"])
    })
    .await?;

    hub.license("team").await?;
    hub.until("nothing is left of it in a lesser tier", async || {
        Ok(hub.tests_of("eu").await?.is_empty())
    })
    .await?;
    hub.license("enterprise").await?;
    hub.until("they are there again", async || {
        Ok(hub.tests_of("eu").await? == ["erp"])
    })
    .await?;

    let log = std::fs::read_to_string(&hub.operator.log)?;
    for secret in ["a-password", "made-up", remote.server.address()] {
        ensure!(!log.contains(secret), "{secret} was logged:\n{log}");
    }
    Ok(())
}
