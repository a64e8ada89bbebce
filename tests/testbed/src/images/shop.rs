//! The demo shop: a small real application, as users of Velero have them. A web front answers with the number of
//! orders in a `PostgreSQL` database that keeps its data in a volume.
//!
//! Both parts run from one image, which starts `/usr/local/bin/shop-db` or `/usr/local/bin/shop-web`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::archive::{self, Written};
use super::busybox;
use super::debian::{self, Package};
use super::entry::{Entry, entries_of_folder};
use super::layer::hex;
use super::spec::ImageSpec;

/// What the image is called in [`MANIFEST`].
pub const NAME: &str = "kymaros.test/shop:1";

/// The whole application as YAML documents without a namespace, to be applied to any.
pub const MANIFEST: &str = include_str!("../../images/shop/shop.yaml");

const DB: &str = include_str!("../../images/shop/shop-db");
const WEB: &str = include_str!("../../images/shop/shop-web");
const ORDERS: &str = include_str!("../../images/shop/www/cgi-bin/orders");
const INDEX: &str = include_str!("../../images/shop/www/index.html");

/// The packages whose programs are in the image.
const ROOTS: [&str; 2] = ["postgresql-15", "postgresql-client-15"];

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// Changes when this file packs the same packages differently.
const RECIPE: &str = "1";

/// Writes the image into the folder `cache`, unless it is there already, and returns it. `busybox` is the static
/// one. `progress` is told what takes long.
///
/// # Errors
///
/// When the packages cannot be had, or the folder cannot be written.
pub fn image(busybox: &Path, cache: &Path, progress: &dyn Fn(&str)) -> Result<Written> {
    let packages = debian::needed_by(&ROOTS).context("cannot find the packages of PostgreSQL")?;
    let packages: Vec<Package> = packages
        .into_iter()
        .filter(|package| is_used(&package.name))
        .collect();
    let own = spec(busybox)?;
    let key = key(&packages, &own, busybox)?;
    let target = cache.join(format!("shop-{key}.tar"));
    if target.exists() {
        return archive::read(&target);
    }

    let folder = cache.join(format!("shop-{key}.{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    progress("unpacking PostgreSQL for the demo shop");
    let written = debian::unpack(&packages, &folder).and_then(|()| {
        let unpacked = entries_of_folder(&folder.join("root"), "")?
            .into_iter()
            .filter(is_wanted);
        // Own files last: they win over those of the packages.
        let spec = ImageSpec {
            entries: unpacked.chain(own.entries.iter().cloned()).collect(),
            ..own.clone()
        };
        progress("writing the image of the demo shop");
        archive::write(&spec, &target)
    });
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    written
}

/// The image without the packages.
fn spec(busybox: &Path) -> Result<ImageSpec> {
    let mut spec = ImageSpec::new(NAME)
        .with(busybox::entries(busybox)?)
        .with([
            Entry::text("/usr/local/bin/shop-db", DB, 0o755),
            Entry::text("/usr/local/bin/shop-web", WEB, 0o755),
            Entry::text("/srv/shop/cgi-bin/orders", ORDERS, 0o755),
            Entry::text("/srv/shop/index.html", INDEX, 0o644),
            Entry::text("/srv/shop/healthz", "ok\n", 0o644),
            Entry::folder("/var/lib/shop", 0o1777),
        ])
        .cmd(["/usr/local/bin/shop-web"])
        .user("1000:1000");
    spec.env = vec![
        format!("PATH=/usr/local/bin:{PROGRAMS}:/usr/bin:/bin"),
        // Where the database puts its socket and its clients look for it.
        "PGHOST=/tmp".to_owned(),
        "PGUSER=shop".to_owned(),
        "PGDATABASE=shop".to_owned(),
        "TZ=UTC".to_owned(),
    ];
    // SIGTERM makes PostgreSQL wait for its clients to leave.
    spec.stop_signal = Some("SIGINT".to_owned());
    Ok(spec)
}

/// A short hash of everything that goes into the image.
fn key(packages: &[Package], own: &ImageSpec, busybox: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(RECIPE);
    hash.update(format!("{packages:?}"));
    hash.update(format!("{own:?}"));
    hash.update(fs::read(busybox).with_context(|| format!("cannot read {}", busybox.display()))?);
    Ok(hex(&hash.finalize()).chars().take(16).collect())
}

/// Whether a package has something the programs need: of what a full system would have beside `PostgreSQL`, only the
/// libraries.
fn is_used(package: &str) -> bool {
    let is_library = package.starts_with("lib") || package == "zlib1g";
    // The compiler of queries, and Perl, which Debian's own tools around PostgreSQL are written in.
    let is_ballast = package.starts_with("libllvm")
        || package.starts_with("libz3")
        || package.starts_with("libperl")
        || package.ends_with("-perl");
    ROOTS.contains(&package) || package == "tzdata" || (is_library && !is_ballast)
}

/// Whether a file of a package goes into the image.
fn is_wanted(entry: &Entry) -> bool {
    let path = entry.path.as_str();
    let kept = [
        "/lib/",
        "/lib64/",
        "/usr/lib/",
        "/usr/share/postgresql/",
        "/usr/share/zoneinfo/",
    ];
    let dropped = [
        "/usr/lib/postgresql/15/lib/bitcode",
        "/usr/lib/postgresql/15/lib/llvmjit",
        "/usr/lib/systemd",
        "/lib/systemd",
        "/usr/share/zoneinfo/posix",
        "/usr/share/zoneinfo/right",
    ];
    kept.iter().any(|folder| path.starts_with(folder))
        && !dropped.iter().any(|folder| path.starts_with(folder))
        // Character sets and locales of the C library and the messages of PostgreSQL in other languages.
        && !path.contains("/gconv")
        && !path.contains("/locale/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_has_the_programs_and_not_the_ballast() {
        for (path, wanted) in [
            ("/usr/lib/postgresql/15/bin/postgres", true),
            ("/usr/lib/postgresql/15/lib/plpgsql.so", true),
            ("/usr/lib/postgresql/15/lib/llvmjit.so", false),
            ("/usr/lib/x86_64-linux-gnu/libpq.so.5.15", true),
            ("/usr/share/doc/libpq5/copyright", false),
            ("/etc/pam.d/common-auth", false),
        ] {
            assert_eq!(is_wanted(&Entry::text(path, "", 0o644)), wanted, "{path}");
        }
        for (package, used) in [
            ("postgresql-15", true),
            ("libpq5", true),
            ("libllvm14", false),
            ("libjson-perl", false),
            ("dpkg", false),
        ] {
            assert_eq!(is_used(package), used, "{package}");
        }
    }

    #[test]
    fn the_manifest_uses_the_image() {
        assert!(MANIFEST.contains(&format!("image: {NAME}\n")));
    }
}
