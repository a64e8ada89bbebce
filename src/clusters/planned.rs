//! Which clusters are to be followed, of the Secrets there are and the tier.

use std::collections::BTreeMap;

use super::{
    refusal::Refusal,
    secret::{Described, Way},
};
use crate::fleet::{ClusterName, RefusedSecret};

/// Most clusters that one hub follows: each costs connections and memory.
pub(super) const MOST: usize = 100;

/// What is to be.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// Clusters that are followed, each with the Secret it is named by.
    pub follow: BTreeMap<ClusterName, (String, Way)>,
    /// Secrets that are no way to one.
    pub refused: Vec<RefusedSecret>,
    /// Clusters that would be followed if the tier had several.
    pub closed: usize,
}

/// Of Secrets by name, the first that names a cluster counts.
pub(super) fn planned(secrets: &BTreeMap<String, Described>, has_several: bool) -> Planned {
    let mut planned = Planned::default();
    for (secret, described) in secrets {
        let judged = match (&described.cluster, &described.way) {
            (Err(refusal), _) | (Ok(_), Err(refusal)) => Err(refusal.clone()),
            (Ok(cluster), Ok(_)) if planned.follow.contains_key(cluster) => {
                let (other, _) = &planned.follow[cluster];
                Err(Refusal::Twice(other.clone()))
            }
            (Ok(_), Ok(_)) if planned.follow.len() >= MOST => Err(Refusal::TooMany(MOST)),
            (Ok(cluster), Ok(way)) => Ok((cluster.clone(), way.clone())),
        };
        match judged {
            Ok((cluster, way)) => {
                planned.follow.insert(cluster, (secret.clone(), way));
            }
            Err(refusal) => planned.refused.push(RefusedSecret {
                secret: secret.clone(),
                cluster: described.cluster.clone().ok(),
                why: refusal.to_string(),
            }),
        }
    }
    if !has_several {
        planned.closed = planned.follow.len();
        planned.follow.clear();
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clusters::kubeconfig::{checked, tests::fine};

    fn described(cluster: &str) -> Described {
        Described {
            cluster: cluster.parse().map_err(Refusal::Name),
            way: checked(fine().as_bytes()).map(|kubeconfig| Way {
                kubeconfig,
                digest: [0; 32],
            }),
        }
    }

    fn secrets(all: &[(&str, &str)]) -> BTreeMap<String, Described> {
        let named = all
            .iter()
            .map(|(secret, cluster)| ((*secret).to_owned(), described(cluster)));
        named.collect()
    }

    #[test]
    fn each_cluster_is_followed_once_and_what_cannot_be_is_said() {
        let all = secrets(&[("a", "eu"), ("b", "eu"), ("c", "us"), ("d", "local")]);
        let seen = planned(&all, true);
        let names: Vec<&str> = seen.follow.keys().map(ClusterName::as_str).collect();
        assert_eq!((names, seen.closed), (vec!["eu", "us"], 0));
        let refused: Vec<&str> = seen.refused.iter().map(|r| r.secret.as_str()).collect();
        assert_eq!(refused, ["b", "d"]);
        assert!(seen.refused[0].why.contains("the Secret a"), "{:?}", seen.refused);
    }

    #[test]
    fn without_the_tier_nothing_is_followed_and_mistakes_are_said_all_the_same() {
        let seen = planned(&secrets(&[("a", "eu"), ("c", "us"), ("d", "local")]), false);
        assert_eq!((seen.follow.len(), seen.closed, seen.refused.len()), (0, 2, 1));
    }

    #[test]
    fn there_is_a_most() {
        let all = (0..MOST + 2).map(|n| (format!("s{n:03}"), described(&format!("c{n}"))));
        let seen = planned(&all.collect(), true);
        assert_eq!((seen.follow.len(), seen.refused.len()), (MOST, 2));
    }
}
