//! "Did you mean".

use std::cmp::Reverse;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use super::schema;

/// Places named in one suggestion.
const MAX_PLACES: usize = 3;

/// What to write instead of a field that does not exist.
pub(super) fn for_field(name: &str, path: &str, here: &JSONSchemaProps, root: &JSONSchemaProps) -> String {
    let fields: Vec<&str> = here
        .properties
        .iter()
        .flat_map(|p| p.keys())
        .map(String::as_str)
        .collect();
    let same = fields
        .iter()
        .find(|field| field.eq_ignore_ascii_case(name))
        .copied();
    let near = || nearest(name, fields.iter().copied());
    let elsewhere = elsewhere(name, path, root);
    if let Some(meant) = same.or_else(|| near().filter(|_| elsewhere.is_empty())) {
        format!("is not a field here; did you mean {meant}?")
    } else if !elsewhere.is_empty() {
        format!("is not a field here; it belongs at {}", elsewhere.join(" or "))
    } else if fields.is_empty() {
        "is not a field here; nothing is written here".to_owned()
    } else {
        format!("is not a field here; the fields are {}", fields.join(", "))
    }
}

/// Where a field of this name exists, the nearest places first.
fn elsewhere(name: &str, path: &str, root: &JSONSchemaProps) -> Vec<String> {
    let path = without_indices(path);
    let common = |place: &str| {
        place
            .bytes()
            .zip(path.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let mut places: Vec<String> = schema::fields(root, "")
        .into_iter()
        .filter(|(_, field)| *field == name)
        .map(|(place, _)| place)
        .collect();
    places.sort_by_key(|place| (Reverse(common(place)), place.matches("[]").count()));
    places.truncate(MAX_PLACES);
    places
}

fn without_indices(path: &str) -> String {
    let parts = path
        .split('[')
        .map(|part| part.split_once(']').map_or(part, |(_, rest)| rest));
    parts.collect::<Vec<_>>().join("[]")
}

/// The name that was most likely meant: one that differs in case only, or in about one letter of four.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Measuring takes the product of the lengths.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let far = 1 + name.len() / 4;
    names
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_ascii_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= far && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = ["httpGet", "tcpSocket", "podStatus", "exec", "resourceExists"];
        for (given, meant) in [
            ("HTTPGet", Some("httpGet")),
            ("httpget", Some("httpGet")),
            ("tcpsockt", Some("tcpSocket")),
            ("podsStatus", Some("podStatus")),
            ("exce", Some("exec")),
            ("resourcesExist", Some("resourceExists")),
            ("grpc", None),
            ("", None),
            (&"x".repeat(10_000), None),
        ] {
            assert_eq!(nearest(given, names.into_iter()), meant, "{given:.20}");
        }
    }

    #[test]
    fn indices_are_left_out_of_paths() {
        assert_eq!(without_indices("spec.a[10].b[2].c"), "spec.a[].b[].c");
        assert_eq!(without_indices("spec"), "spec");
    }
}
