//! Another authority, while the API server asks all the time.

use std::{fmt::Debug, time::Duration};

use anyhow::{Context, Result};
use futures::{
    Stream, StreamExt,
    stream::{BoxStream, select_all},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use kymaros_certs::Lifetimes;
use serde::de::DeserializeOwned;

use crate::{
    load::Load,
    replica::Replica,
    stage::{NAME, PATIENCE, Stage, entry},
};

/// Questions in a second.
const RATE: u32 = 200;

fn lifetimes(authority: u64, leaf: u64) -> Result<Lifetimes> {
    let seconds = Duration::from_secs;
    Ok(Lifetimes::new(seconds(authority), seconds(leaf), seconds(1))?)
}

/// Waits until another authority has taken over and the one before is gone everywhere; the new one.
async fn rotated(stage: &Stage, before: &str) -> Result<String> {
    let gone = |secret: &Secret| {
        let [current, next, old] = ["ca.crt", "next-ca.crt", "old-ca.crt"].map(|e| entry(secret, e));
        current != before && next.is_empty() && old.is_empty()
    };
    let secret = stage.secret_when("another authority", gone).await?;
    let authority = entry(&secret, "ca.crt");
    stage
        .bundles_when("the new authority alone", |bundle| bundle == authority)
        .await?;
    Ok(authority)
}

#[tokio::test]
async fn no_question_fails_while_the_authority_changes() -> Result<()> {
    let stage = Stage::new().await?;
    let one = Replica::start(&stage, stage.settings(lifetimes(3600, 6)?)?).await?;
    let two = Replica::start(&stage, stage.settings(lifetimes(3600, 6)?)?).await?;
    tokio::try_join!(one.ready(), two.ready())?;
    stage.answered().await?;
    let rotation = async {
        let before = stage
            .secret_when("publication", |s| !entry(s, "ca.published").is_empty())
            .await?;
        // An authority without a key must be replaced.
        stage.change_secret(&[("ca.key", None)]).await?;
        rotated(&stage, &entry(&before, "ca.crt")).await
    };
    let (_, load) = Load::during(&stage, RATE, rotation).await?;
    load.assert_unharmed();
    assert!(load.asked > 1000, "{load:?}");
    tokio::try_join!(one.ready(), two.ready()).map(drop)
}

#[tokio::test]
#[ignore = "takes more than a minute"]
async fn no_question_fails_in_a_minute_of_rotations() -> Result<()> {
    let stage = Stage::new().await?;
    let settings = stage.settings(lifetimes(24, 8)?)?;
    let one = Replica::start(&stage, settings.clone()).await?;
    let two = Replica::start(&stage, settings).await?;
    tokio::try_join!(one.ready(), two.ready())?;
    stage.answered().await?;
    let mut rotations = 0;
    let began = tokio::time::Instant::now();
    let rotation = async {
        let mut authority = entry(&stage.secret_when("a Secret", |_| true).await?, "ca.crt");
        while began.elapsed() < Duration::from_mins(1) {
            authority = rotated(&stage, &authority).await?;
            rotations += 1;
        }
        anyhow::Ok(())
    };
    let ((), load) = Load::during(&stage, RATE, rotation).await?;
    println!("{rotations} rotations in {:?}", began.elapsed());
    load.assert_unharmed();
    assert!(load.asked >= 60 * RATE as usize && rotations >= 2);
    tokio::try_join!(one.ready(), two.ready()).map(drop)
}

/// A word for every write to the Secret and the configurations.
fn writes(stage: &Stage) -> impl Stream<Item = ()> + Unpin {
    fn of<K>(api: Api<K>, name: &str) -> BoxStream<'static, ()>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        watcher(api, config)
            .applied_objects()
            .filter_map(async |o| o.ok().map(drop))
            .boxed()
    }
    select_all([
        of(stage.secrets(), NAME),
        of(stage.validating(), &stage.configuration),
        of(stage.mutating(), &stage.configuration),
    ])
}

/// A crash after whatever was just written, and another start, until the rotation is through.
#[tokio::test]
async fn a_crash_after_any_step_changes_nothing() -> Result<()> {
    let stage = Stage::new().await?;
    let settings = stage.settings(lifetimes(3600, 6)?)?;
    let first = Replica::start(&stage, settings.clone()).await?;
    first.ready().await?;
    stage.answered().await?;
    let before = stage
        .secret_when("publication", |s| !entry(s, "ca.published").is_empty())
        .await?;
    first.crash();
    stage.change_secret(&[("ca.key", None)]).await?;
    let crashes = async {
        let mut crashed = vec![first];
        let mut writes = writes(&stage);
        for _ in 0..3 {
            // As things are, before anything is written.
            writes.next().await.context("a watch ended")?;
        }
        loop {
            let replica = Replica::start(&stage, settings.clone()).await?;
            let written = tokio::time::timeout(PATIENCE, writes.next()).await;
            replica.crash();
            crashed.push(replica);
            written
                .context("nothing was written any more")?
                .context("a watch ended")?;
            let secret = stage.secrets().get(NAME).await?;
            let [current, old] = ["ca.crt", "old-ca.crt"].map(|e| entry(&secret, e));
            if current != entry(&before, "ca.crt") && old.is_empty() {
                return Ok(crashed.len());
            }
        }
    };
    let (crashes, load) = Load::during(&stage, 20, crashes).await?;
    println!("{crashes} crashes");
    load.assert_unharmed();
    assert!(crashes >= 4, "a rotation has more steps than that");
    let last = Replica::start(&stage, settings).await?;
    last.ready().await?;
    rotated(&stage, &entry(&before, "ca.crt")).await.map(drop)
}
