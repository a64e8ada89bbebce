//! Certificates of the webhooks: what they are for, and who is told of their state.

use anyhow::Context as _;
use kymaros_certs::{Certificates, Configurations, Lifetimes, Names, Settings, Source};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::settings::{Args, CertificateSource};
use crate::{admission::AdmissionState, telemetry::health::Readiness};

/// What `/readyz` says as long as the API server cannot call us.
const PENDING: &str = "webhooks";

/// From the flags.
pub(super) fn settings(args: &Args) -> anyhow::Result<Settings> {
    let webhooks = &args.webhooks;
    let secret = webhooks.certificate_secret.clone();
    let service = format!("{}.{}.svc", webhooks.webhook_service, args.namespace);
    Ok(Settings {
        namespace: args.namespace.clone(),
        names: Names::new([service]).context("--webhook-service and --namespace")?,
        configurations: Configurations {
            validating: vec![webhooks.webhook_configuration.clone()],
            mutating: vec![webhooks.webhook_configuration.clone()],
        },
        source: match webhooks.certificate_source {
            CertificateSource::Own => Source::Own {
                secret,
                lifetimes: Lifetimes::default(),
            },
            CertificateSource::Foreign => Source::Foreign { secret },
        },
    })
}

/// Whether admission is in place, and the work that follows the certificates and tells of them.
pub(super) fn follow(
    certificates: &Certificates,
    health: Readiness,
    stop: CancellationToken,
) -> (watch::Receiver<AdmissionState>, impl Future<Output = ()> + use<>) {
    let mut readiness = certificates.readiness();
    let (sender, admission) = watch::channel(AdmissionState::Missing(readiness.borrow().to_string()));
    health.wait_for(PENDING);
    let told = async move {
        loop {
            let now = readiness.borrow_and_update().clone();
            if now.is_ready() {
                health.done(PENDING);
                sender.send_replace(AdmissionState::InPlace);
            } else {
                health.wait_for(PENDING);
                sender.send_replace(AdmissionState::Missing(now.to_string()));
            }
            if readiness.changed().await.is_err() {
                return;
            }
        }
    };
    (admission, async move {
        stop.run_until_cancelled(told).await;
    })
}
