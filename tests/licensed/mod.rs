//! A license for the operator of the test cluster. It is one for all: a file of tests that gives it one has it alone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use kymaros::license::{self, KeyLength, SigningSecret};
use kymaros_crds::names::LICENSE_SECRET;
use kymaros_testbed::scene::{NAMESPACE, SIGNING_KEY};
use serde_json::json;

/// Longest time until a license is in effect.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives it a license.
pub async fn give(client: &Client, tier: &str, expires: &str) -> Result<()> {
    let signing = SigningSecret::new(SIGNING_KEY).context("no signing key")?;
    let key = license::sign(&signing, tier, expires, KeyLength::Full);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": LICENSE_SECRET },
        "stringData": { "tier": tier, "key": key, "expires": expires },
    });
    let params = PatchParams::apply("kymaros-tests").force();
    Api::<Secret>::namespaced(client.clone(), NAMESPACE)
        .patch(LICENSE_SECRET, &params, &Patch::Apply(secret))
        .await?;
    Ok(())
}

/// Takes it away.
pub async fn take(client: &Client) -> Result<()> {
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    match secrets.delete(LICENSE_SECRET, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop).map_err(Into::into),
    }
}

/// Asks again until every replica must have seen the license: `ask` is to answer so five times in a row.
pub async fn in_effect<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, kube::Error>,
    is_so: impl Fn(&Result<T, kube::Error>) -> bool,
) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut in_a_row = 0;
    while in_a_row < 5 {
        ticks.tick().await;
        if is_so(&ask().await) {
            in_a_row += 1;
        } else {
            in_a_row = 0;
        }
        if Instant::now() > deadline {
            bail!("{what}: not within {PATIENCE:?}");
        }
    }
    Ok(())
}
