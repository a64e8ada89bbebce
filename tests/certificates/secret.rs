//! The Secret: made when missing, mended when damaged, and nobody who asks notices.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use kube::{Api, ResourceExt, api::DeleteParams};
use kymaros_certs::{Lifetimes, Readiness, Source};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{
    load::{Load, ONE_AT_A_TIME},
    replica::Replica,
    stage::{NAME, PATIENCE, Stage, entry},
};

/// Long lives, and API servers that notice at once.
fn lifetimes() -> Result<Lifetimes> {
    let hour = Duration::from_hours(1);
    Ok(Lifetimes::new(hour * 100, hour, Duration::from_secs(4))?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_needed_to_begin_with() -> Result<()> {
    let stage = Stage::bare().await?;
    let replica = Replica::start(&stage, stage.settings(lifetimes()?)?)?;
    let missing = |readiness: &Readiness| matches!(readiness, Readiness::NotInstalled { .. });
    replica.when("a missing configuration", missing).await?;
    stage.apply_configurations().await?;
    replica.ready().await?;
    stage.answered().await?;
    let secret = stage.secret_when("a Secret", |_| true).await?;
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
    assert_eq!(
        secret.labels()["velero.io/exclude-from-backup"],
        "true",
        "keys are not backed up"
    );
    let expiry = replica.certificates.expiry().borrow().clone();
    assert!(
        expiry.authority > expiry.leaf && expiry.leaf > Some(Timestamp::now()),
        "{expiry:?}"
    );
    assert_eq!(expiry.warning, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_start_at_once_agree() -> Result<()> {
    let stage = Stage::new().await?;
    let settings = stage.settings(lifetimes()?)?;
    let start = || Replica::start(&stage, settings.clone());
    let (one, two) = (start()?, start()?);
    tokio::try_join!(one.ready(), two.ready())?;
    stage.answered().await?;
    assert_eq!(one.served(), two.served());
    // The node may learn late that both are behind the Service.
    let deadline = Instant::now() + PATIENCE;
    let is_asked = |replica: &Replica| replica.answers.load(Ordering::Relaxed) > 10;
    while !(is_asked(&one) && is_asked(&two)) {
        ensure!(Instant::now() < deadline, "the other one got all the questions");
        Stage::ask(&stage.scene.client, &stage.namespace).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_secret_is_mended_and_no_question_fails() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let stage = Stage::new().await?;
    let one = Replica::start(&stage, stage.settings(lifetimes()?)?)?;
    let two = Replica::start(&stage, stage.settings(lifetimes()?)?)?;
    tokio::try_join!(one.ready(), two.ready())?;
    stage.answered().await?;
    let damage = async {
        for entries in [
            ["tls.crt"].as_slice(),
            &["tls.key"],
            &["ca.crt"],
            &["ca.key"],
            &["ca.crt", "tls.key"],
        ] {
            for garbage in [
                "",
                "garbage",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ] {
                let before = stage.secret_when("a Secret", |_| true).await?;
                let changes: Vec<_> = entries.iter().map(|entry| (*entry, Some(garbage))).collect();
                stage.change_secret(&changes).await?;
                mended(&stage, &entry(&before, "tls.crt"))
                    .await
                    .with_context(|| format!("{entries:?}: {garbage}"))?;
            }
        }
        // A key that belongs to another certificate.
        let before = stage.secret_when("a Secret", |_| true).await?;
        let other = KeyPair::generate()?.serialize_pem();
        stage.change_secret(&[("tls.key", Some(&other))]).await?;
        mended(&stage, &entry(&before, "tls.crt")).await?;
        // All of it, twice in a row.
        for _ in 0..2 {
            let before = stage.secret_when("a Secret", |_| true).await?;
            stage.secrets().delete(NAME, &DeleteParams::default()).await?;
            mended(&stage, &entry(&before, "tls.crt")).await?;
        }
        anyhow::Ok(())
    };
    let ((), load) = Load::during(&stage, 50, damage).await?;
    load.assert_unharmed();
    tokio::try_join!(one.ready(), two.ready())?;
    Ok(())
}

/// Waits until another certificate is there and all is at rest.
async fn mended(stage: &Stage, before: &str) -> Result<()> {
    let whole = |secret: &_| {
        let [leaf, key, published] = ["tls.crt", "ca.key", "ca.published"].map(|e| entry(secret, e));
        leaf.contains("END CERTIFICATE")
            && leaf != before
            && key.contains("END PRIVATE KEY")
            && !published.is_empty()
            && entry(secret, "next-ca.crt").is_empty()
    };
    stage.secret_when("another certificate", whole).await.map(drop)
}

/// An authority and a certificate of somebody else, valid for so long.
fn foreign(host: &str, from: i64, until: i64) -> Result<[String; 4]> {
    let valid = |parameters: &mut CertificateParams| {
        let moment = |offset: i64| {
            let second = Timestamp::now().as_second() + offset;
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(second.unsigned_abs())
        };
        parameters.not_before = moment(from);
        parameters.not_after = moment(until);
    };
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    valid(&mut parameters);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
    let mut parameters = CertificateParams::new([host.to_owned()])?;
    valid(&mut parameters);
    let key = KeyPair::generate()?;
    let leaf = parameters.signed_by(&key, &authority)?;
    Ok([
        authority.pem(),
        authority.key().serialize_pem(),
        leaf.pem(),
        key.serialize_pem(),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_put_there_by_hand_is_taken_when_it_is_whole() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let stage = Stage::new().await?;
    let replica = Replica::start(&stage, stage.settings(lifetimes()?)?)?;
    replica.ready().await?;
    stage.answered().await?;
    let put = async |[authority, authority_key, leaf, key]: &[String; 4]| {
        let entries = [
            ("ca.crt", authority),
            ("ca.key", authority_key),
            ("tls.crt", leaf),
            ("tls.key", key),
        ];
        let entries = entries.map(|(entry, text)| (entry, Some(text.as_str())));
        stage.change_secret(&entries).await
    };
    let by_hand = async {
        let whole = foreign(&stage.host(), -60, 86_400)?;
        put(&whole).await?;
        stage
            .bundles_when("its authority alone", |bundle| {
                bundle.trim() == whole[0].trim().replace('\r', "")
            })
            .await?;
        let secret = stage.secret_when("a Secret", |_| true).await?;
        assert_eq!(
            entry(&secret, "tls.crt").trim(),
            whole[2].trim().replace('\r', ""),
            "it was replaced"
        );

        // Not for our name: the authority stays, the certificate does not.
        let [_, _, other_leaf, other_key] = foreign("other.example.svc", -60, 86_400)?;
        stage
            .change_secret(&[("tls.crt", Some(&other_leaf)), ("tls.key", Some(&other_key))])
            .await?;
        mended(&stage, &other_leaf).await?;

        // Expired, all of it.
        let expired = foreign(&stage.host(), -7200, -3600)?;
        put(&expired).await?;
        let renewed = stage.secret_when("another authority", |s| {
            !entry(s, "ca.published").is_empty() && entry(s, "ca.crt").trim() != expired[0].trim()
        });
        renewed.await?;
        anyhow::Ok(())
    };
    let ((), load) = Load::during(&stage, 50, by_hand).await?;
    load.assert_unharmed();
    replica.ready().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_long_sleep_with_everything_expired_it_starts_anew() -> Result<()> {
    let stage = Stage::new().await?;
    let [authority, authority_key, leaf, key] = foreign(&stage.host(), -7200, -3600)?;
    let secret = serde_json::from_value(serde_json::json!({
        "metadata": { "name": NAME },
        "type": "kubernetes.io/tls",
        "stringData": { "ca.crt": authority, "ca.key": authority_key, "tls.crt": leaf, "tls.key": key },
    }))?;
    stage
        .secrets()
        .create(&kube::api::PostParams::default(), &secret)
        .await?;
    let replica = Replica::start(&stage, stage.settings(lifetimes()?)?)?;
    replica.ready().await?;
    stage.answered().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_certificates_are_followed_and_nothing_is_written() -> Result<()> {
    let stage = Stage::new().await?;
    let [authority, _, leaf, key] = foreign(&stage.host(), -60, 86_400)?;
    let secret = serde_json::from_value(serde_json::json!({
        "metadata": { "name": NAME },
        "type": "kubernetes.io/tls",
        "stringData": { "ca.crt": authority, "tls.crt": leaf, "tls.key": key },
    }))?;
    stage
        .secrets()
        .create(&kube::api::PostParams::default(), &secret)
        .await?;
    let settings = stage.settings_from(Source::Foreign { secret: NAME.into() })?;
    let replica = Replica::start(&stage, settings)?;
    let distrusted = |readiness: &Readiness| matches!(readiness, Readiness::NotTrusted { .. });
    replica.when("distrust", distrusted).await?;
    publish(&stage, &authority)?;
    replica.ready().await?;
    stage.answered().await?;

    // Renewed with another authority: what is served stays until that one is published.
    let served = replica.served();
    let [authority, _, leaf, key] = foreign(&stage.host(), -60, 90_000)?;
    stage
        .change_secret(&[
            ("ca.crt", Some(&authority)),
            ("tls.crt", Some(&leaf)),
            ("tls.key", Some(&key)),
        ])
        .await?;
    let noticed = |expiry: &kymaros_certs::Expiry| expiry.authority > expiry.leaf;
    tokio::time::timeout(PATIENCE, replica.certificates.expiry().wait_for(noticed)).await??;
    assert_eq!(replica.served(), served);
    publish(&stage, &authority)?;
    let swapped = |expiry: &kymaros_certs::Expiry| expiry.leaf != served;
    tokio::time::timeout(PATIENCE, replica.certificates.expiry().wait_for(swapped)).await??;
    replica.ready().await?;
    stage.answered().await?;
    let secret = stage.secret_when("a Secret", |_| true).await?;
    let managers: Vec<_> = secret
        .managed_fields()
        .iter()
        .filter_map(|f| f.manager.as_deref())
        .collect();
    assert!(!managers.contains(&"kymaros-certificates"), "{managers:?}");
    Ok(())
}

/// What cert-manager's injector does.
pub fn publish(stage: &Stage, authority: &str) -> Result<()> {
    let bundle = k8s_openapi::ByteString(authority.as_bytes().to_vec());
    for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
        let names: &[&str] = if kind.starts_with('v') {
            &["one", "two"]
        } else {
            &["three"]
        };
        let webhook = |name: &&str| {
            serde_json::json!({
                "name": format!("{name}.certificates.kymaros.test"), "clientConfig": { "caBundle": bundle },
            })
        };
        let patch = serde_json::json!({ "webhooks": names.iter().map(webhook).collect::<Vec<_>>() });
        stage.scene.cluster.kubectl(&[
            "patch",
            kind,
            &stage.configuration,
            "--type=strategic",
            "-p",
            &patch.to_string(),
        ])?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_may_not_write_warns_in_time() -> Result<()> {
    let stage = Stage::new().await?;
    let short = Lifetimes::new(
        Duration::from_secs(30),
        Duration::from_secs(30),
        Duration::from_secs(1),
    )?;
    let writer = Replica::start(&stage, stage.settings(short)?)?;
    writer.ready().await?;
    let roles =
        Api::<k8s_openapi::api::rbac::v1::Role>::namespaced(stage.scene.client.clone(), &stage.namespace);
    writer.crash();
    let read_only = kube::api::Patch::Merge(serde_json::json!({
        "rules": [{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": [NAME], "verbs": ["get", "list", "watch"] }],
    }));
    roles
        .patch(NAME, &kube::api::PatchParams::default(), &read_only)
        .await?;
    let reader = Replica::start(&stage, stage.settings(short)?)?;
    reader.ready().await?;
    let mut expiry = reader.certificates.expiry();
    let warned = tokio::time::timeout(PATIENCE, expiry.wait_for(|e| e.warning.is_some()))
        .await??
        .clone();
    let warning = warned.warning.context("no warning")?;
    assert!(
        warning.contains("is not renewed") && warning.contains("forbidden"),
        "{warning}"
    );
    let ended = |readiness: &Readiness| matches!(readiness, Readiness::NotValid { .. });
    reader.when("the end", ended).await.map(drop)
}
