//! A Secret with a way to a cluster: `kymaros.io/cluster` names the cluster, `data.kubeconfig` is the way.

use std::fmt;

use k8s_openapi::api::core::v1::Secret;
use kube::{ResourceExt, config::Kubeconfig};
use kymaros_crds::names::CLUSTER_LABEL;
use sha2::{Digest, Sha256};

use super::{kubeconfig::checked, refusal::Refusal};
use crate::fleet::ClusterName;

/// The key with the kubeconfig.
const KEY: &str = "kubeconfig";

/// What a Secret says.
#[derive(Clone)]
pub(super) struct Described {
    /// The cluster that it is about.
    pub cluster: Result<ClusterName, Refusal>,
    /// The way to it.
    pub way: Result<Way, Refusal>,
}

/// A way to a cluster.
#[derive(Clone)]
pub(super) struct Way {
    /// What is needed of the kubeconfig.
    pub kubeconfig: Kubeconfig,
    /// Whether it is still the same is told by this.
    pub digest: [u8; 32],
}

/// Nothing of it is shown.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}

impl Described {
    /// What is read of a Secret.
    pub(super) fn of(secret: &Secret) -> Self {
        let named = secret.labels().get(CLUSTER_LABEL).cloned().unwrap_or_default();
        let cluster = named.parse().map_err(|error: String| Refusal::Name(error));
        let data = secret.data.as_ref().and_then(|data| data.get(KEY));
        let way = match data {
            Some(data) if !data.0.is_empty() => checked(&data.0).map(|kubeconfig| Way {
                kubeconfig,
                digest: Sha256::digest(&data.0).into(),
            }),
            _ => Err(Refusal::Missing),
        };
        Self { cluster, way }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;
    use crate::clusters::kubeconfig::tests::fine;

    fn secret(label: &str, kubeconfig: Option<&str>) -> Secret {
        let data = kubeconfig.map(|text| [(KEY.to_owned(), ByteString(text.into()))].into());
        let mut secret = Secret {
            data,
            ..Secret::default()
        };
        secret
            .labels_mut()
            .insert(CLUSTER_LABEL.to_owned(), label.to_owned());
        secret
    }

    #[test]
    fn a_secret_names_a_cluster_and_the_way_to_it() {
        let read = Described::of(&secret("eu", Some(&fine())));
        assert_eq!(read.cluster.unwrap().as_str(), "eu");
        assert!(!format!("{:?}", read.way.unwrap()).contains("SECRET"));
    }

    #[test]
    fn without_a_name_or_a_kubeconfig_it_says_so() {
        let refused = Described::of(&secret("local", None));
        assert!(
            refused
                .cluster
                .unwrap_err()
                .to_string()
                .contains("this very cluster")
        );
        assert_eq!(refused.way.map(drop), Err(Refusal::Missing));
        assert_eq!(
            Described::of(&secret("eu", Some(""))).way.map(drop),
            Err(Refusal::Missing)
        );
    }
}
