//! Storage locations, as far as reading from their signed addresses goes: which certificates they are trusted by.

use k8s_openapi::{
    ByteString,
    api::core::v1::{Secret, SecretKeySelector},
};
use kube::{
    Api, Client,
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind},
};
use serde_json::Value;

/// What makes a location's own address trusted, beside the authorities of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Trust {
    /// Certificates of an authority of its own, PEM (`objectStorage.caCert`, or the Secret of `caCertRef`).
    authority: Option<Vec<u8>>,
    /// Whoever set Velero up asked it not to verify (`config.insecureSkipTLSVerify`).
    unverified: bool,
}

impl Trust {
    fn read(spec: &Value) -> Self {
        let authority = spec["objectStorage"]["caCert"].clone();
        Self {
            authority: serde_json::from_value::<ByteString>(authority)
                .ok()
                .map(|bytes| bytes.0)
                .filter(|pem| !pem.is_empty()),
            unverified: spec["config"]["insecureSkipTLSVerify"].as_str() == Some("true"),
        }
    }

    fn client(&self) -> Result<Option<reqwest::Client>, reqwest::Error> {
        if *self == Self::default() {
            return Ok(None);
        }
        let mut builder = reqwest::Client::builder().tls_danger_accept_invalid_certs(self.unverified);
        if let Some(pem) = &self.authority {
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?);
        }
        builder.build().map(Some)
    }
}

/// How addresses of a location are read.
#[derive(Clone, Debug)]
pub struct Access {
    /// Reads them.
    pub http: reqwest::Client,
    /// Why the location is trusted less than it should be: for whoever cannot read it then.
    pub trouble: Option<String>,
}

/// The way to a location: the `usual` one, unless the location says whom it is trusted by. One that cannot be looked at
/// is read as usual: what then fails says why.
pub async fn access(
    client: Client,
    velero: String,
    location: Option<String>,
    usual: reqwest::Client,
) -> Access {
    let trust = match &location {
        Some(name) => trust(client, &velero, name).await,
        None => Ok(Trust::default()),
    };
    let unusable = |error| format!("its certificates cannot be used: {error}");
    match trust.and_then(|trust| trust.client().map_err(unusable)) {
        Ok(own) => Access {
            http: own.unwrap_or(usual),
            trouble: None,
        },
        Err(trouble) => {
            tracing::warn!(
                location,
                trouble,
                "a storage location is read as any other address"
            );
            Access {
                http: usual,
                trouble: Some(trouble),
            }
        }
    }
}

async fn trust(client: Client, velero: &str, name: &str) -> Result<Trust, String> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "BackupStorageLocation"));
    let locations = Api::<DynamicObject>::namespaced_with(client.clone(), velero, &resource);
    let spec = match locations.get(name).await {
        Ok(location) => location.data["spec"].clone(),
        Err(error) => return Err(format!("storage location {name} cannot be looked at: {error}")),
    };
    let mut trust = Trust::read(&spec);
    if let Some(reference) = reference(&spec) {
        let secret = Api::<Secret>::namespaced(client, velero)
            .get(&reference.name)
            .await;
        trust.authority = Some(authority(secret, velero, &reference)?);
    }
    Ok(trust)
}

/// The Secret of Velero's with the authority (`objectStorage.caCertRef`, from Velero 1.18 on); Velero takes it before
/// `caCert`.
fn reference(spec: &Value) -> Option<SecretKeySelector> {
    serde_json::from_value(spec["objectStorage"]["caCertRef"].clone()).ok()
}

/// The certificates in that Secret. Without the right to read it, it is said how to give it.
fn authority(
    secret: Result<Secret, kube::Error>,
    velero: &str,
    SecretKeySelector { name, key, .. }: &SecretKeySelector,
) -> Result<Vec<u8>, String> {
    let place = format!("its certificate authority is in Secret {name} of namespace {velero}");
    let secret = match secret {
        Ok(secret) => secret,
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            let mend = "name it in the chart's value velero.caSecrets";
            return Err(format!("{place}, which the operator may not read: {mend}"));
        }
        Err(error) => return Err(format!("{place}, which cannot be read: {error}")),
    };
    let held = secret.data.and_then(|mut data| data.remove(key));
    held.map(|bytes| bytes.0)
        .ok_or_else(|| format!("{place}, which has no key {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_location_without_settings_of_its_own_is_read_as_usual() {
        let trust = Trust::read(&json!({ "objectStorage": { "bucket": "b" }, "config": { "region": "r" } }));
        assert_eq!(trust, Trust::default());
        assert!(trust.client().unwrap().is_none());
    }

    #[test]
    fn an_authority_of_its_own_has_to_be_one() {
        let trust = Trust::read(&json!({ "objectStorage": { "caCert": "bm9uc2Vuc2U=" } }));
        assert_eq!(trust.authority.as_deref(), Some(b"nonsense".as_slice()));
        let trust = Trust::read(&json!({ "config": { "insecureSkipTLSVerify": "true" } }));
        assert!(trust.unverified && trust.client().unwrap().is_some());
        let broken = "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n";
        let broken = Trust {
            authority: Some(broken.into()),
            unverified: false,
        };
        assert!(broken.client().is_err());
    }

    #[test]
    fn an_authority_in_a_secret_is_read_or_it_is_said_why_not() {
        let spec = json!({ "objectStorage": { "caCertRef": { "name": "ca", "key": "ca.crt" } } });
        let named = reference(&spec).unwrap();
        assert!(reference(&json!({ "objectStorage": { "caCert": "bm9uc2Vuc2U=" } })).is_none());
        let read = |secret| authority(secret, "velero", &named);
        let secret =
            |data: serde_json::Value| serde_json::from_value::<Secret>(json!({ "data": data })).unwrap();
        assert_eq!(
            read(Ok(secret(json!({ "ca.crt": "bm9uc2Vuc2U=" })))),
            Ok(b"nonsense".to_vec())
        );
        let other = read(Ok(secret(json!({ "other": "" })))).unwrap_err();
        assert!(other.contains("no key ca.crt"), "{other}");
        let status = |code: u16| {
            let status = json!({ "status": "Failure", "reason": "Forbidden", "code": code });
            kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()))
        };
        let refused = read(Err(status(403))).unwrap_err();
        let says_how =
            refused.contains("Secret ca of namespace velero") && refused.contains("velero.caSecrets");
        assert!(says_how, "{refused}");
    }
}
