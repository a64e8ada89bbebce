//! Kinds whose objects stand for something outside of the cluster: a database at a cloud, a bucket, another cluster. A
//! copy would take over what the original stands for, and removing the copy would remove it.

/// API groups, with all below them.
const GROUPS: &[&str] = &[
    // Clouds: ACK and other controllers of AWS, Config Connector, Azure Service Operator, and Crossplane's providers.
    "services.k8s.aws",
    "vpcresources.k8s.aws",
    "cnrm.cloud.google.com",
    "azure.com",
    "crossplane.io",
    "upbound.io",
    "ibm.com",
    "oracle.com",
    // What makes things elsewhere from code.
    "app.terraform.io",
    "infra.contrib.fluxcd.io",
    "tf.galleybytes.com",
    "pulumi.com",
    // Clusters and machines.
    "cluster.x-k8s.io",
    "metal3.io",
    "hive.openshift.io",
    "machine.openshift.io",
    "gardener.cloud",
    // Services that are bought.
    "atlas.mongodb.com",
    "aiven.io",
    "servicecatalog.k8s.io",
    "networking.cfargotunnel.com",
    "k8s.ngrok.com",
    // Databases, users and buckets that are made in a server of somebody else.
    "postgresql.easymile.com",
    "db.movetokube.com",
    "kinda.rocks",
    "objectbucket.io",
    "objectstorage.k8s.io",
    "redhatcop.redhat.io",
    // Runners that do the work of a repository.
    "actions.github.com",
    "actions.summerwind.dev",
];

/// Whether objects of this API group stand for something outside of the cluster.
#[must_use]
pub fn is_infrastructure(group: &str) -> bool {
    GROUPS.iter().any(|known| {
        let above = group.strip_suffix(known);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_things_elsewhere_is_told_by_its_group() {
        for group in [
            "rds.services.k8s.aws",
            "sql.cnrm.cloud.google.com",
            "dbforpostgresql.azure.com",
            "s3.aws.upbound.io",
            "cluster.x-k8s.io",
            "actions.github.com",
            "infrastructure.cluster.x-k8s.io",
        ] {
            assert!(is_infrastructure(group), "{group}");
        }
        for group in [
            "",
            "apps",
            "example.com",
            "notazure.com",
            "cloud.google.com",
            "postgresql.cnpg.io",
        ] {
            assert!(!is_infrastructure(group), "{group}");
        }
    }
}
