//! Storage locations, as far as reading from their signed addresses goes: which certificates they are trusted by.

use k8s_openapi::ByteString;
use kube::{
    Api, Client,
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind},
};
use serde_json::Value;

/// What makes a location's own address trusted, beside the authorities of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Trust {
    /// Certificates of an authority of its own, PEM (`objectStorage.caCert`).
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

/// The client for addresses of a location: `usual`, unless the location says whom it is trusted by. One that cannot be
/// looked at is read as usual: what then fails says why.
pub async fn http(
    client: Client,
    velero: String,
    location: Option<String>,
    usual: reqwest::Client,
) -> reqwest::Client {
    let Some(name) = location else { return usual };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "BackupStorageLocation"));
    let locations = Api::<DynamicObject>::namespaced_with(client, &velero, &resource);
    let spec = match locations.get(&name).await {
        Ok(location) => location.data["spec"].clone(),
        Err(error) => {
            tracing::warn!(location = name, %error, "a storage location cannot be looked at");
            return usual;
        }
    };
    match Trust::read(&spec).client() {
        Ok(own) => own.unwrap_or(usual),
        Err(error) => {
            tracing::warn!(location = name, %error, "the certificates of a storage location cannot be used");
            usual
        }
    }
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
}
