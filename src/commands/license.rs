//! `kymaros license`: makes license keys, and says what one opens.

use std::{
    io::{Read, stdin},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail, ensure};
use clap::{Subcommand, ValueEnum};
use jiff::{Timestamp, civil::Date};
use k8s_openapi::api::core::v1::Secret;
use kymaros_crds::{
    domain::{NamespaceName, Tier},
    names::LICENSE_SECRET,
};

use super::say;
use crate::license::{self, KeyLength, License, LicenseSecret, SigningSecret};

/// Largest file with a Secret, bytes.
const MAX_FILE: u64 = 1 << 20;

/// What to do.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: LicenseCommand,
}

#[derive(Subcommand, Debug)]
enum LicenseCommand {
    /// Make a license key and a Secret with it, ready for `kubectl apply -f -`. The signing secret is taken from the
    /// environment variable `KYMAROS_LICENSE_KEY` and from nowhere else.
    Sign(Sign),
    /// Say what a license opens and until when, from its manifest (--file) or its values (--tier, --key, --expires);
    /// exit code 1 when it opens nothing.
    Verify(Verify),
}

#[derive(clap::Args, Debug)]
struct Sign {
    /// What it opens
    #[arg(long, value_enum)]
    tier: PaidTier,
    /// First day on which it opens nothing any more (from 00:00 UTC), for example 2028-01-01; without it the license has no end
    #[arg(long)]
    expires: Option<Date>,
    /// Namespace of the operator
    #[arg(short, long, default_value = "kymaros-system")]
    namespace: NamespaceName,
    /// Name of the Secret: the chart's value license.existingSecret
    #[arg(long, default_value = LICENSE_SECRET)]
    name: String,
    /// All 64 digits of the signature instead of the 16 that 0.6.0 reads too
    #[arg(long)]
    long: bool,
}

#[derive(clap::Args, Debug)]
struct Verify {
    /// Manifest with the Secret; - is standard input
    #[arg(long, conflicts_with_all = ["tier", "key", "expires"], required_unless_present_any = ["tier", "key"])]
    file: Option<PathBuf>,
    /// Name of the Secret in the manifest: the chart's value license.existingSecret
    #[arg(long, default_value = LICENSE_SECRET)]
    name: String,
    /// The Secret's `tier`
    #[arg(long, requires = "key")]
    tier: Option<String>,
    /// The Secret's `key`
    #[arg(long, requires = "tier")]
    key: Option<String>,
    /// The Secret's `expires`
    #[arg(long, requires = "key")]
    expires: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PaidTier {
    Team,
    Enterprise,
}

/// Runs one of them.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        LicenseCommand::Sign(args) => sign(&args).map(|()| ExitCode::SUCCESS),
        LicenseCommand::Verify(args) => verify(args),
    }
}

fn sign(args: &Sign) -> anyhow::Result<()> {
    let Some(signing) = SigningSecret::to_sign() else {
        bail!("set {} to the signing secret", SigningSecret::VARIABLE);
    };
    let tier = match args.tier {
        PaidTier::Team => Tier::Team,
        PaidTier::Enterprise => Tier::Enterprise,
    };
    let secret = signed(&signing, tier, args.expires, args.long);
    if let License::Community(refusal) = license::verify(&secret, Some(&signing), Timestamp::now()) {
        say::aside(&format!("kymaros: {refusal}"))?;
    }
    say::verbatim(manifest(&secret, &args.name, &args.namespace))?;
    Ok(())
}

fn signed(signing: &SigningSecret, tier: Tier, expires: Option<Date>, long: bool) -> LicenseSecret {
    let expires = expires.map(|day| day.to_string()).unwrap_or_default();
    let length = if long { KeyLength::Full } else { KeyLength::Short };
    LicenseSecret {
        key: license::sign(signing, tier.as_str(), &expires, length),
        tier: tier.as_str().to_owned(),
        expires,
    }
}

/// The key as a comment, for people, and the manifest. None of the values needs another form in quotes.
fn manifest(secret: &LicenseSecret, name: &str, namespace: &NamespaceName) -> String {
    let LicenseSecret { tier, key, expires } = secret;
    format!(
        "# {key}\napiVersion: v1\nkind: Secret\nmetadata:\n  name: {name:?}\n  namespace: \"{namespace}\"\ntype: \
         Opaque\nstringData:\n  tier: {tier:?}\n  key: {key:?}\n  expires: {expires:?}\n"
    )
}

fn verify(args: Verify) -> anyhow::Result<ExitCode> {
    let signing = SigningSecret::to_verify();
    let now = Timestamp::now();
    let license = if let Some(path) = args.file {
        license::of_secret(Some(&read(&path, &args.name)?), signing.as_ref(), now)
    } else {
        let secret = LicenseSecret {
            tier: args.tier.unwrap_or_default(),
            key: args.key.unwrap_or_default(),
            expires: args.expires.unwrap_or_default(),
        };
        license::verify(&secret, signing.as_ref(), now)
    };
    say::verbatim(answer(&license) + "\n")?;
    Ok(match license {
        License::Valid { .. } => ExitCode::SUCCESS,
        License::Community(_) => ExitCode::FAILURE,
    })
}

fn answer(license: &License) -> String {
    let tier = license.tier();
    if tier < Tier::ADDITIONAL_SOURCES {
        return license.to_string();
    }
    format!("{license}\nopens spec.additionalSources: several backup sources in one test")
}

fn read(path: &Path, name: &str) -> anyhow::Result<Secret> {
    let mut text = String::new();
    if path == Path::new("-") {
        stdin().take(MAX_FILE + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        file.take(MAX_FILE + 1).read_to_string(&mut text)
    }
    .with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        text.len() as u64 <= MAX_FILE,
        "{} is larger than 1 MiB",
        path.display()
    );
    license_secret(&text, name).with_context(|| format!("in {}", path.display()))
}

/// The one Secret of that name among the documents, whatever stands beside it. No error repeats a value.
fn license_secret(text: &str, name: &str) -> anyhow::Result<Secret> {
    let documents: Vec<serde_json::Value> = match serde_saphyr::from_multiple(text) {
        Ok(documents) => documents,
        Err(error) => match error.location() {
            Some(place) => bail!("line {} is not YAML", place.line()),
            None => bail!("it is not YAML"),
        },
    };
    let is_license = |d: &serde_json::Value| d["kind"] == "Secret" && d["metadata"]["name"] == name;
    let Some(found) = documents.into_iter().find(is_license) else {
        bail!("there is no Secret {name}; --name looks for another");
    };
    serde_json::from_value(found).map_err(|_| anyhow::anyhow!("the Secret {name} is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing() -> SigningSecret {
        SigningSecret::new("test-signing-key-12345").unwrap()
    }

    fn namespace() -> NamespaceName {
        "kymaros-system".parse().unwrap()
    }

    #[test]
    fn what_is_signed_is_read_back_and_verified() {
        for (expires, long) in [(Some("2027-12-31".parse().unwrap()), false), (None, true)] {
            let made = signed(&signing(), Tier::Team, expires, long);
            let text = format!("kind: Other\n---\n{}", manifest(&made, "ours", &namespace()));
            assert!(
                license_secret(&text, LICENSE_SECRET).is_err(),
                "it has another name"
            );
            let secret = license_secret(&text, "ours").unwrap();
            assert_eq!(LicenseSecret::read(&secret).unwrap(), made);
            let license = license::of_secret(Some(&secret), Some(&signing()), Timestamp::UNIX_EPOCH);
            assert!(answer(&license).contains("spec.additionalSources"), "{license}");
            assert!(answer(&license).starts_with("Team "), "{license}");
        }
    }

    #[test]
    fn the_day_that_is_named_is_the_first_without_it() {
        let made = signed(&signing(), Tier::Team, Some("2028-01-01".parse().unwrap()), false);
        let tier = |now: &str| license::verify(&made, Some(&signing()), now.parse().unwrap()).tier();
        assert_eq!(tier("2028-01-01T00:00:00Z"), Tier::Team);
        assert_eq!(tier("2028-01-01T00:00:01Z"), Tier::Community);
    }

    #[test]
    fn the_key_is_that_of_the_test_vector() {
        let made = signed(&signing(), Tier::Team, Some("2027-12-31".parse().unwrap()), false);
        assert!(manifest(&made, LICENSE_SECRET, &namespace()).starts_with("# KYM-team-8ac6763d8308d743\n"));
    }

    #[test]
    fn files_without_a_license_are_refused_without_their_values() {
        for (text, said) in [
            ("kind: Secret\nmetadata: {name: other}\n", "no Secret"),
            ("", "no Secret"),
            ("kind: [\nhunter2", "is not YAML"),
            (
                "kind: Secret\nmetadata: {name: kymaros-license}\ndata: {key: hunter2!}\n",
                "malformed",
            ),
        ] {
            let error = format!("{:#}", license_secret(text, LICENSE_SECRET).unwrap_err());
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }
}
