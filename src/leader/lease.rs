//! The Lease in the API server. Every write carries the `resourceVersion` it was decided on.

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, ResourceExt, api::PostParams};

use super::{Candidate, decide::Seen};

/// What a Lease says.
pub(super) fn seen(lease: &Lease) -> Seen {
    let holder = lease.spec.as_ref().and_then(|s| s.holder_identity.clone());
    Seen::Lease {
        holder: holder.unwrap_or_default(),
        version: lease.resource_version().unwrap_or_default(),
    }
}

/// Reads it.
pub(super) async fn read(api: &Api<Lease>, name: &str) -> Result<Seen, kube::Error> {
    Ok(api.get_opt(name).await?.as_ref().map_or(Seen::Absent, seen))
}

/// Writes it as held by `holder`, which is empty to give it back. The times are for people to read; nobody decides by
/// them.
pub(super) async fn write(
    api: &Api<Lease>,
    candidate: &Candidate,
    holder: &str,
    over: &Seen,
) -> Result<Seen, kube::Error> {
    let now = MicroTime(Timestamp::now());
    let spec = LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: i32::try_from(candidate.timing.duration.as_secs()).ok(),
        acquire_time: Some(now.clone()),
        renew_time: Some(now),
        ..LeaseSpec::default()
    };
    let mut metadata = ObjectMeta {
        name: Some(candidate.lease.clone()),
        namespace: Some(candidate.namespace.clone()),
        ..ObjectMeta::default()
    };
    let params = PostParams::default();
    let written = match over {
        Seen::Lease { version, .. } => {
            metadata.resource_version = Some(version.clone());
            let lease = Lease {
                metadata,
                spec: Some(spec),
            };
            api.replace(&candidate.lease, &params, &lease).await?
        }
        Seen::Absent => {
            let lease = Lease {
                metadata,
                spec: Some(spec),
            };
            api.create(&params, &lease).await?
        }
    };
    Ok(seen(&written))
}
