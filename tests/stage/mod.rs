//! Installs and removes the operator as people do, and looks at what that leaves.

#![allow(dead_code, reason = "each file of tests uses its own part")]

mod left;
mod other_values;
mod tests;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicy, apps::v1::Deployment, core::v1::Namespace,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use kymaros_testbed::scene::{self, Scene};

use crate::helm::{NAMESPACE, RELEASE, changed_charts, chart, pipe, text};

/// The operator's release, in the hands of one test.
pub struct Stage {
    scene: Scene,
    helm: &'static str,
    older: PathBuf,
    image: String,
    /// The namespace of each test by the test's name.
    homes: BTreeMap<String, String>,
}

impl Stage {
    /// Takes away the operator that is there; [`end`](Self::end) brings it back.
    pub async fn set(helm: &'static str) -> Result<Self> {
        let scene = Scene::new().await?;
        let image = image(&scene.client).await?;
        let older = changed_charts("older-charts", |charts| {
            std::fs::write(charts.join("kymaros/values.yaml"), "{}\n")?;
            tests::forget_suspend(&charts.join("kymaros-crds/templates/restoretests.yaml"))
        })?;
        let homes = BTreeMap::new();
        let mut stage = Self {
            scene,
            helm,
            older,
            image,
            homes,
        };
        stage
            .step("away with what is there", async |s| s.clear().await)
            .await?;
        Ok(stage)
    }

    pub async fn step(&mut self, what: &str, work: impl AsyncFnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let begun = Instant::now();
        let done = work(self).await.with_context(|| what.to_owned());
        println!("{:>6.1} s  {what}", begun.elapsed().as_secs_f64());
        done
    }

    /// Leaves the operator as other tests expect it.
    pub async fn end(self) -> Result<()> {
        let operator = scene::Operator {
            chart: chart()?,
            image: &self.image,
        };
        scene::deploy(&self.scene.cluster, &self.scene.client, &operator).await
    }

    fn helm(&self, args: &[&str]) -> Result<String> {
        self.scene
            .cluster
            .run(self.helm, &[args, &["--namespace", NAMESPACE]].concat())
    }

    fn install_chart(&self, chart: &str, values: &[&str]) -> Result<()> {
        let image = self.image_values()?;
        let mut args = vec![
            "install",
            RELEASE,
            chart,
            "--wait",
            "--timeout",
            "2m",
            "--set",
            &image,
        ];
        args.extend(values.iter().flat_map(|value| ["--set-json", value]));
        self.helm(&args)?;
        Ok(())
    }

    fn image_values(&self) -> Result<String> {
        let (repository, tag) = self.image.rsplit_once(':').context("an image without a tag")?;
        Ok(format!("image.repository={repository},image.tag={tag}"))
    }

    /// The image of the operator that was there.
    pub fn image(&self) -> &str {
        &self.image
    }

    pub async fn install_older(&mut self) -> Result<()> {
        self.install_chart(text(&self.older)?, &[])?;
        assert!(
            !tests::knows_suspend(&self.scene.client).await?,
            "the older chart is not older"
        );
        Ok(())
    }

    pub fn install(&mut self) -> Result<()> {
        self.install_with(&[])
    }

    /// With these values, each as Helm's `--set-json` takes it.
    pub fn install_with(&mut self, values: &[&str]) -> Result<()> {
        self.install_chart(text(chart()?)?, values)
    }

    pub fn test(&mut self) -> Result<()> {
        self.helm(&["test", RELEASE, "--timeout", "2m"])?;
        Ok(())
    }

    pub async fn upgrade(&mut self) -> Result<()> {
        let before = self.image_in_use().await?;
        self.helm(&[
            "upgrade",
            RELEASE,
            text(chart()?)?,
            "--reuse-values",
            "--wait",
            "--timeout",
            "2m",
        ])?;
        assert_eq!(self.image_in_use().await?, before, "a value was not reused");
        assert!(
            tests::knows_suspend(&self.scene.client).await?,
            "the kinds are still the older ones"
        );
        Ok(())
    }

    pub async fn rollback(&mut self) -> Result<()> {
        self.helm(&["rollback", RELEASE, "1", "--wait", "--timeout", "2m"])?;
        assert!(
            !tests::knows_suspend(&self.scene.client).await?,
            "the kinds are still the newer ones"
        );
        Ok(())
    }

    /// Whoever installed it, and however far an earlier test came.
    pub async fn clear(&mut self) -> Result<()> {
        // Users and other products bring these, so nobody else takes them away.
        let theirs = [
            "delete",
            "secret",
            scene::SIGNING_SECRET,
            other_values::HOOK,
            "kymaros-webhooks-ca",
            "--ignore-not-found",
        ];
        let cluster = &self.scene.cluster;
        cluster.kubectl(&[&theirs[..], &["--namespace", NAMESPACE]].concat())?;
        if self.helm(&["status", RELEASE]).is_ok() {
            return self.uninstall().await;
        }
        self.delete().await
    }

    pub async fn uninstall(&mut self) -> Result<()> {
        self.uninstall_but(&[]).await
    }

    /// What somebody else made for the release may stay.
    pub async fn uninstall_but(&mut self, stays: &[&str]) -> Result<()> {
        self.helm(&["uninstall", RELEASE, "--wait", "--timeout", "5m"])?;
        left::nothing_but(&self.scene, stays).await
    }

    async fn image_in_use(&self) -> Result<String> {
        image(&self.scene.client).await
    }

    /// What the API server's own type checks say, once its controller has made them.
    pub async fn policies_are_sound(&mut self) -> Result<()> {
        let api = Api::<ValidatingAdmissionPolicy>::all(self.scene.client.clone());
        let ours = ListParams::default().labels(&format!("app.kubernetes.io/instance={RELEASE}"));
        let policies = api.list(&ours).await?;
        assert!(!policies.items.is_empty(), "there is no policy");
        for policy in policies {
            let name = policy.name_any();
            let checked = kube::runtime::wait::await_condition(
                api.clone(),
                &name,
                |policy: Option<&ValidatingAdmissionPolicy>| {
                    policy.is_some_and(|p| p.status.as_ref().is_some_and(|s| s.type_checking.is_some()))
                },
            );
            let checked = tokio::time::timeout(Duration::from_secs(30), checked).await??;
            let warnings = checked
                .and_then(|p| p.status)
                .and_then(|s| s.type_checking?.expression_warnings);
            assert_eq!(warnings, None, "{name}");
        }
        Ok(())
    }

    pub async fn second_is_refused(&mut self) -> Result<()> {
        let namespace = self.scene.namespace("second").await?;
        let args = ["install", "another", text(chart()?)?, "--namespace", &namespace];
        let refused = self
            .scene
            .cluster
            .run("helm", &args)
            .err()
            .context("it was installed")?
            .to_string();
        let says = "Kymaros is in this cluster already: release kymaros in namespace kymaros-system";
        assert!(refused.contains(says), "{refused}");
        let left = self
            .scene
            .cluster
            .run("helm", &["list", "--short", "--namespace", &namespace])?;
        assert_eq!(left.trim(), "", "something of it stays");
        Ok(())
    }

    /// The manifests, as tools render them that know no release.
    fn manifests(&self) -> Result<String> {
        self.helm(&[
            "template",
            RELEASE,
            text(chart()?)?,
            "--set",
            &self.image_values()?,
        ])
    }

    pub fn apply(&mut self) -> Result<()> {
        pipe(
            &self.scene.cluster,
            "kubectl",
            &["apply", "--server-side", "--filename", "-"],
            &self.manifests()?,
        )?;
        let rollout = [
            "rollout",
            "status",
            "deployment/kymaros",
            "--namespace",
            NAMESPACE,
            "--timeout=2m",
        ];
        self.scene.cluster.kubectl(&rollout)?;
        Ok(())
    }

    pub fn applies_without_a_difference(&mut self) -> Result<()> {
        let manifests = self.manifests()?;
        // It fails when there is a difference, and prints it.
        pipe(
            &self.scene.cluster,
            "kubectl",
            &["diff", "--server-side", "--filename", "-"],
            &manifests,
        )?;
        pipe(
            &self.scene.cluster,
            "kubectl",
            &["apply", "--server-side", "--filename", "-"],
            &manifests,
        )?;
        Ok(())
    }

    /// Without Helm nobody stops the operator first: people delete their tests, and then what they applied.
    pub async fn delete(&mut self) -> Result<()> {
        tests::delete_all(&self.scene)?;
        let delete = ["delete", "--wait", "--ignore-not-found", "--filename", "-"];
        pipe(&self.scene.cluster, "kubectl", &delete, &self.manifests()?)?;
        // What the operator made for itself blocks nothing.
        let own = ["delete", "secret,lease", "--all", "--namespace", NAMESPACE];
        self.scene.cluster.kubectl(&own)?;
        left::nothing_but(&self.scene, &[]).await
    }
}

/// The image of the operator that is installed.
async fn image(client: &Client) -> Result<String> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    let operator = deployments
        .get_opt(RELEASE)
        .await?
        .context("the operator is not installed; `cargo xtask test` installs it")?;
    let pod = operator.spec.and_then(|s| s.template.spec).context("no pods")?;
    pod.containers
        .into_iter()
        .find_map(|c| c.image)
        .context("no image")
}

/// Whether a namespace is on its way out, or gone.
async fn is_gone(client: &Client, name: &str) -> Result<bool> {
    let namespace = Api::<Namespace>::all(client.clone()).get_opt(name).await?;
    Ok(namespace.is_none_or(|n| n.metadata.deletion_timestamp.is_some()))
}
