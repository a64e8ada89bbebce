//! The certificate that a self-signed issuer of cert-manager makes, which people may name to the chart: no authority, no name
//! of its own, and its own root.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use kymaros_certs::{Readiness, Source};
use rcgen::{CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use crate::{
    replica::Replica,
    secret::publish,
    stage::{NAME, Stage},
};

/// It, and its key.
fn self_signed(host: &str) -> Result<[String; 2]> {
    let mut parameters = CertificateParams::new([host.to_owned()])?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = Duration::from_secs(Timestamp::now().as_second().unsigned_abs());
    let begin = rcgen::date_time_ymd(1970, 1, 1) + now;
    parameters.not_before = begin - Duration::from_mins(1);
    parameters.not_after = begin + Duration::from_hours(24);
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    Ok([certificate.pem(), key.serialize_pem()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_its_own_root_is_served_when_it_is_published() -> Result<()> {
    let stage = Stage::new().await?;
    let [certificate, key] = self_signed(&stage.host())?;
    let secret = serde_json::from_value(serde_json::json!({
        "metadata": { "name": NAME },
        "type": "kubernetes.io/tls",
        "stringData": { "ca.crt": certificate, "tls.crt": certificate, "tls.key": key },
    }))?;
    stage
        .secrets()
        .create(&kube::api::PostParams::default(), &secret)
        .await?;
    let settings = stage.settings_from(Source::Foreign { secret: NAME.into() })?;
    let replica = Replica::start(&stage, settings)?;
    let distrusted = |readiness: &Readiness| matches!(readiness, Readiness::NotTrusted { .. });
    replica.when("distrust", distrusted).await?;
    publish(&stage, &certificate)?;
    replica.ready().await?;
    stage.answered().await
}
