//! Receivers with a certificate of an authority that the system does not know.

use std::sync::Arc;

use kymaros_crds::{NotificationType, domain::NotificationTarget};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;

use super::{
    receiver::{Mood, Receivers},
    world::World,
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn receivers_of(authority: &Authority) -> Receivers {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let leaf = parameters.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    Receivers::start_secure(tls)
}

/// What becomes of a message to a receiver with this under the key `ca.crt` of its Secret.
async fn told(receivers: &Receivers, authority: Option<&str>) -> Result<(), String> {
    let address = receivers.address("a", Mood::Takes);
    let mut data = vec![("url", address.as_str())];
    data.extend(authority.map(|pem| ("ca.crt", pem)));
    let world = World::new();
    world.secret("hook", &data);
    let target = NotificationTarget {
        type_: NotificationType::Webhook,
        channel: None,
        secret: Some("hook".to_owned()),
    };
    let sent = world.notifier().send_test("ops", &target).await;
    sent.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_receiver_is_trusted_by_the_authority_in_its_secret_and_by_no_other() {
    let (ours, other, namesake) = (authority("ours"), authority("other"), authority("ours"));
    let receivers = receivers_of(&ours);
    let remedy = "it could not be reached: its certificate is of an authority that is not trusted; put that authority's \
                  certificate into the Secret, under the key ca.crt";
    for pem in [None, Some(other.pem()), Some(namesake.pem())] {
        let refused = told(&receivers, pem.as_deref()).await;
        assert_eq!(refused, Err(remedy.to_owned()), "{pem:?}");
    }
    assert!(receivers.got().is_empty());
    let several = format!("The old one:\n{}The new one:\n{}", namesake.pem(), ours.pem());
    for pem in [ours.pem(), several] {
        assert_eq!(told(&receivers, Some(&pem)).await, Ok(()), "{pem}");
    }
    assert_eq!(receivers.taken().len(), 2);
}

#[tokio::test]
async fn an_authority_that_is_none_is_refused_and_not_shown() {
    let ours = authority("ours");
    let receivers = receivers_of(&ours);
    let broken = "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n";
    let cut = ours.pem().replace("-----END CERTIFICATE-----", "");
    let key = KeyPair::generate().unwrap().serialize_pem();
    let both = format!("{}{broken}", ours.pem());
    for pem in ["bm9uc2Vuc2U=", broken, cut.as_str(), key.as_str(), both.as_str()] {
        let remedy = "Secret ops/hook holds something else than certificates under the key ca.crt: put those of the \
                      receiver's authority there, PEM, or remove the key";
        assert_eq!(told(&receivers, Some(pem)).await, Err(remedy.to_owned()), "{pem}");
    }
    assert!(receivers.got().is_empty());
}
