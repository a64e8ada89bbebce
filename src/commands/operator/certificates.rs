//! Certificates of the webhooks: what they are for, and who is told of their state.

use anyhow::Context as _;
use kymaros_certs::{Certificates, Configurations, Lifetimes, Names, Settings, Source};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::settings::{Args, CertificateSource};
use crate::{
    admission::{AdmissionState, Installation},
    telemetry::health::Readiness,
};

/// What `/readyz` says as long as the API server cannot call us.
const PENDING: &str = "webhooks";

/// From the flags, and from who the operator is to the API server.
pub(super) fn settings(args: &Args, username: &str) -> anyhow::Result<Settings> {
    let webhooks = &args.webhooks;
    let secret = webhooks.certificate_secret.clone();
    let service = format!("{}.{}.svc", webhooks.webhook_service, args.namespace);
    let installation = Installation {
        configuration: &webhooks.webhook_configuration,
        service: &webhooks.webhook_service,
        username,
        namespace: &args.namespace,
        velero_namespace: &args.velero_namespace,
        lease: &args.lease,
        certificate_secret: &webhooks.certificate_secret,
    };
    Ok(Settings {
        namespace: args.namespace.clone(),
        names: Names::new([service]).context("--webhook-service and --namespace")?,
        configurations: Configurations {
            validating: vec![webhooks.webhook_configuration.clone()],
            mutating: vec![webhooks.webhook_configuration.clone()],
        },
        fences: installation.fences(),
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
        let mut has_answered = false;
        loop {
            let now = readiness.borrow_and_update().clone();
            if answers(&now, has_answered) {
                has_answered = true;
                health.done(PENDING);
            } else {
                health.wait_for(PENDING);
            }
            sender.send_replace(if now.is_ready() {
                AdmissionState::InPlace
            } else {
                AdmissionState::Missing(now.to_string())
            });
            if readiness.changed().await.is_err() {
                return;
            }
        }
    };
    (admission, async move {
        stop.run_until_cancelled(told).await;
    })
}

/// Whether this replica belongs behind the Service. It does when a configuration is taken away: without an answer from
/// the webhooks that are left, the operator's own writes would fail, and nobody would be told what is wrong.
fn answers(now: &kymaros_certs::Readiness, has_answered: bool) -> bool {
    let is_installed = !matches!(now, kymaros_certs::Readiness::NotInstalled { .. }) || has_answered;
    now.is_reachable() && is_installed
}

#[cfg(test)]
mod tests {
    use super::*;
    use kymaros_certs::{Flaw, Readiness};

    #[test]
    fn who_answers_stays_behind_the_service_whatever_is_taken_away() {
        let configuration = "MutatingWebhookConfiguration kymaros".to_owned();
        let webhook = "neutralise.kymaros.io".to_owned();
        let missing = Readiness::Missing {
            configuration: configuration.clone(),
        };
        let not_installed = Readiness::NotInstalled {
            configuration: configuration.clone(),
        };
        let weakened = Readiness::Weakened {
            configuration: configuration.clone(),
            webhook: webhook.clone(),
            flaw: Flaw::Ignored,
        };
        let not_trusted = Readiness::NotTrusted {
            configuration,
            webhook,
            why: "expired".to_owned(),
        };
        for (now, at_start, later) in [
            (Readiness::Starting, false, false),
            (Readiness::NoCertificate, false, false),
            (not_trusted, false, false),
            // Of an installation that is under way.
            (not_installed, false, true),
            (missing, true, true),
            (weakened, true, true),
            (Readiness::Ready, true, true),
        ] {
            assert_eq!(
                (answers(&now, false), answers(&now, true)),
                (at_start, later),
                "{now}"
            );
        }
    }
}
