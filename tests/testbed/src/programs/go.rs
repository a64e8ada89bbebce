//! Groups of Go programs. Each group is a Go module without source in `tools/`: its `go.mod` says which programs at
//! which versions, its `go.sum` what they consist of. Groups are apart because their dependencies contradict each other.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::places;

/// Programs that are built together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The folder in `tools/`.
    pub name: &'static str,
    /// The module that the programs' version is read from.
    module: &'static str,
    /// What the linker sets; `{version}`, `{major}` and `{minor}` are replaced.
    link: &'static str,
    /// What a single program is called when its package name does not tell.
    pub output: Option<&'static str>,
    go_mod: &'static str,
    go_sum: &'static str,
}

/// Without these everything of Kubernetes reports version 0.0.0.
const LINK_KUBERNETES: &str = " -X k8s.io/component-base/version.gitVersion={version} \
     -X k8s.io/component-base/version.gitMajor={major} -X k8s.io/component-base/version.gitMinor={minor} \
     -X k8s.io/client-go/pkg/version.gitVersion={version} \
     -X k8s.io/client-go/pkg/version.gitMajor={major} -X k8s.io/client-go/pkg/version.gitMinor={minor}";

macro_rules! group {
    ($name:literal, $module:literal, $output:expr, $link:expr) => {
        Group {
            name: $name,
            module: $module,
            link: $link,
            output: $output,
            go_mod: include_str!(concat!("../../tools/", $name, "/go.mod")),
            go_sum: include_str!(concat!("../../tools/", $name, "/go.sum")),
        }
    };
}

/// Every group, in the order in which they are built.
pub const GROUPS: [Group; 9] = [
    group!("etcd", "go.etcd.io/etcd/server/v3", Some("etcd"), ""),
    group!("kubernetes", "k8s.io/kubernetes", None, LINK_KUBERNETES),
    group!(
        "velero",
        "github.com/vmware-tanzu/velero",
        None,
        " -X github.com/vmware-tanzu/velero/pkg/buildinfo.Version={version}"
    ),
    group!(
        "velero-plugin-aws",
        "github.com/vmware-tanzu/velero-plugin-for-aws",
        None,
        ""
    ),
    group!("s3", "github.com/versity/versitygw", None, ""),
    group!(
        "provisioner",
        "github.com/rancher/local-path-provisioner",
        None,
        ""
    ),
    group!("coredns", "github.com/coredns/coredns", None, ""),
    group!(
        "helm",
        "helm.sh/helm/v4",
        None,
        " -X helm.sh/helm/v4/internal/version.version={version}"
    ),
    // Many still use it, and it applies and deletes in other ways.
    group!(
        "helm3",
        "helm.sh/helm/v3",
        Some("helm3"),
        " -X helm.sh/helm/v3/internal/version.version={version}"
    ),
];

/// API servers alone, of the oldest and newest Kubernetes that Kymaros is for and one in between.
pub const API_SERVERS: [Group; 3] = [
    group!(
        "kubernetes-1.29",
        "k8s.io/kubernetes",
        Some("kube-apiserver"),
        LINK_KUBERNETES
    ),
    group!(
        "kubernetes-1.31",
        "k8s.io/kubernetes",
        Some("kube-apiserver"),
        LINK_KUBERNETES
    ),
    group!(
        "kubernetes-1.37",
        "k8s.io/kubernetes",
        Some("kube-apiserver"),
        LINK_KUBERNETES
    ),
];

/// cert-manager, for the one test that lets it issue our certificate. Its newer versions keep their programs in modules of
/// their own, which are not published.
pub const CERT_MANAGER: Group = group!("cert-manager", "github.com/cert-manager/cert-manager", None, "");

impl Group {
    /// The version of the programs, as `go.mod` says: `v1.35.4`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.go_mod
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace().skip_while(|word| *word == "require");
                (words.next() == Some(self.module))
                    .then(|| words.next())
                    .flatten()
            })
            .find(|word| word.starts_with('v'))
            .unwrap_or("unknown")
    }

    /// The module that its programs come from.
    pub(crate) const fn module(&self) -> &'static str {
        self.module
    }

    /// The packages to build: the `tool` lines of `go.mod`.
    #[must_use]
    pub fn packages(&self) -> Vec<&'static str> {
        let mut packages = Vec::new();
        let mut in_block = false;
        for line in self.go_mod.lines().map(str::trim) {
            match line {
                "tool (" => in_block = true,
                ")" => in_block = false,
                _ if in_block && !line.is_empty() => packages.push(line),
                _ => packages.extend(line.strip_prefix("tool ")),
            }
        }
        packages
    }

    /// The linker's flags.
    #[must_use]
    pub fn link_flags(&self) -> String {
        let version = self.version();
        let mut numbers = version.trim_start_matches('v').split('.');
        let major = numbers.next().unwrap_or_default();
        let minor = numbers.next().unwrap_or_default();
        let own = self
            .link
            .replace("{version}", version)
            .replace("{major}", major)
            .replace("{minor}", minor);
        format!("-s -w{own}")
    }

    /// Changes when the programs would be other ones.
    #[must_use]
    pub fn key(&self) -> String {
        let text = [self.go_mod, self.go_sum, &self.link_flags()].join("\0");
        short_hash(text.as_bytes())
    }

    /// Where the programs are once built.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        places::cache("programs").join(format!("{}-{}", self.name, self.key()))
    }

    /// The module's files, to build in.
    pub(crate) fn module_files(&self) -> [(&'static str, &'static str); 2] {
        [("go.mod", self.go_mod), ("go.sum", self.go_sum)]
    }
}

/// The path of a built program.
#[must_use]
pub fn program(group: &str, name: &str) -> PathBuf {
    GROUPS
        .iter()
        .find(|candidate| candidate.name == group)
        .map_or_else(PathBuf::new, Group::folder)
        .join(name)
}

/// The first twelve digits of a hash, enough to tell versions of one thing apart.
#[must_use]
pub fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(6)
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_version_and_packages() {
        for group in GROUPS.into_iter().chain(API_SERVERS).chain([CERT_MANAGER]) {
            assert!(group.version().starts_with('v'), "{}", group.name);
            assert!(!group.packages().is_empty(), "{}", group.name);
        }
    }

    #[test]
    fn kubernetes_is_built_whole_and_knows_its_version() {
        let group = GROUPS[1];
        let names: Vec<_> = group
            .packages()
            .iter()
            .filter_map(|package| package.rsplit('/').next())
            .collect();
        assert_eq!(
            names,
            [
                "kube-apiserver",
                "kube-controller-manager",
                "kube-proxy",
                "kube-scheduler",
                "kubectl",
                "kubelet"
            ]
        );
        assert!(
            group
                .link_flags()
                .contains(&format!("version.gitVersion={}", group.version()))
        );
        assert!(!group.link_flags().contains('{'));
    }

    #[test]
    fn the_key_changes_with_each_part() {
        let group = GROUPS[0];
        let changed = [
            Group {
                go_mod: "module other",
                ..group
            },
            Group {
                go_sum: "other",
                ..group
            },
            Group {
                link: " -X other",
                ..group
            },
        ];
        for other in changed {
            assert_ne!(group.key(), other.key());
        }
        assert_eq!(
            group.key(),
            Group {
                output: None,
                ..group
            }
            .key()
        );
    }
}
