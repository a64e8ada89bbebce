//! Another authority, while the API server asks all the time.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

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
    load::{Load, ONE_AT_A_TIME},
    replica::Replica,
    stage::{NAME, PATIENCE, Stage, entry},
};

/// Questions in a second.
const RATE: u32 = 200;

fn lifetimes(authority: u64, leaf: u64) -> Result<Lifetimes> {
    let seconds = Duration::from_secs;
    Ok(Lifetimes::new(seconds(authority), seconds(leaf), seconds(3))?)
}

/// Waits until another authority has taken over; the new one.
async fn taken_over(stage: &Stage, before: &str) -> Result<String> {
    let taken_over = |secret: &Secret| {
        let [current, next] = ["ca.crt", "next-ca.crt"].map(|e| entry(secret, e));
        current != before && next.is_empty()
    };
    let secret = stage.secret_when("another authority", taken_over).await?;
    Ok(entry(&secret, "ca.crt"))
}

/// Waits until old authorities are gone everywhere.
async fn alone(stage: &Stage, authority: &str) -> Result<()> {
    let gone = |secret: &Secret| entry(secret, "old-ca.crt").is_empty();
    stage.secret_when("the end of the old authority", gone).await?;
    stage
        .bundles_when("the new authority alone", |bundle| bundle == authority)
        .await
}

/// Two replicas, whose authority changes again and again for so long, by `rotate`; how often it did, and how many questions
/// were asked in a second.
async fn rotations(
    lifetimes: Lifetimes,
    how_long: Duration,
    rotate: impl AsyncFn(&Stage, String) -> Result<String>,
) -> Result<(usize, f64)> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let stage = Stage::new().await?;
    let settings = stage.settings(lifetimes)?;
    let one = Replica::start(&stage, settings.clone())?;
    let two = Replica::start(&stage, settings)?;
    tokio::try_join!(one.ready(), two.ready())?;
    stage.answered().await?;
    let began = Instant::now();
    let rotating = async {
        let published = |secret: &Secret| !entry(secret, "ca.published").is_empty();
        let mut authority = entry(&stage.secret_when("publication", published).await?, "ca.crt");
        let mut rotations = 0;
        while began.elapsed() < how_long {
            authority = rotate(&stage, authority).await?;
            rotations += 1;
        }
        Ok(rotations)
    };
    let (rotations, load) = Load::during(&stage, RATE, rotating).await?;
    println!("{rotations} rotations in {:?}", began.elapsed());
    load.assert_unharmed();
    assert!(
        load.asked >= 10 * rotations,
        "too few questions to meet them: {load:?}"
    );
    let rate = f64::from(u32::try_from(load.asked)?) / began.elapsed().as_secs_f64();
    tokio::try_join!(one.ready(), two.ready())?;
    Ok((rotations, rate))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_question_fails_while_the_authority_changes() -> Result<()> {
    let rotate = async |stage: &Stage, before: String| {
        // An authority without a key must be replaced.
        stage.change_secret(&[("ca.key", None)]).await?;
        taken_over(stage, &before).await
    };
    let long_enough = lifetimes(3600, 600)?;
    rotations(long_enough, Duration::from_secs(10), rotate)
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes more than a minute"]
async fn no_question_fails_in_a_minute_of_rotations() -> Result<()> {
    // By itself, when two thirds of its life are over.
    let rotate = async |stage: &Stage, before: String| {
        let authority = taken_over(stage, &before).await?;
        alone(stage, &authority).await?;
        Ok(authority)
    };
    let (rotations, rate) = rotations(lifetimes(45, 15)?, Duration::from_mins(1), rotate).await?;
    assert!(rotations >= 2);
    println!("{rate:.0} questions a second");
    assert!(
        rate >= 0.9 * f64::from(RATE),
        "the machine is too busy: {rate:.0} a second"
    );
    Ok(())
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
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_any_step_changes_nothing() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let stage = Stage::new().await?;
    let settings = stage.settings(lifetimes(3600, 600)?)?;
    let first = Replica::start(&stage, settings.clone())?;
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
            let replica = Replica::start(&stage, settings.clone())?;
            let written = tokio::time::timeout(PATIENCE, writes.next()).await;
            replica.crash();
            crashed.push(replica);
            written
                .context("nothing was written any more")?
                .context("a watch ended")?;
            let secret = stage.secrets().get(NAME).await?;
            if entry(&secret, "ca.crt") != entry(&before, "ca.crt") {
                return Ok(crashed);
            }
        }
    };
    // They serve until the last question is answered.
    let (replicas, load) = Load::during(&stage, 20, crashes).await?;
    println!("{} crashes", replicas.len());
    load.assert_unharmed();
    assert!(replicas.len() >= 4, "a rotation has more steps than that");
    let last = Replica::start(&stage, settings)?;
    last.ready().await
}
