//! The image of the operator itself, put together from a build on this machine.

use std::path::Path;

use anyhow::{Result, bail};

use super::entry::Entry;
use super::libraries;
use super::spec::ImageSpec;

/// The user the operator runs as, the `nonroot` of common minimal images.
pub const USER: &str = "65532:65532";

const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The image called `name` (`kymaros.test/kymaros:dev`; without a tag it is named by its content) from the built
/// `kymaros`. Unlike the other images it has no shell: what runs in the tests is as bare as what users run.
///
/// # Errors
///
/// When the program or one of its libraries is missing, or the machine has no CA bundle.
pub fn image(name: &str, program: &Path) -> Result<ImageSpec> {
    let libraries = libraries::of(program)?;
    let libraries = libraries.iter().map(|library| {
        // The loader is found by its absolute path, the libraries in the folders it knows: keep the paths.
        Entry::program(library.to_string_lossy(), library)
    });
    Ok(ImageSpec::new(name)
        .with([
            Entry::program("/kymaros", program),
            Entry::text(
                "/etc/passwd",
                "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
                0o644,
            ),
            Entry::text("/etc/group", "nonroot:x:65532:\n", 0o644),
            Entry::folder("/tmp", 0o1777),
            ca_bundle()?,
        ])
        .with(libraries)
        .entrypoint(["/kymaros"])
        .cmd(["operator"])
        .user(USER))
}

/// The certificate authorities that this machine trusts, where programs of every language look for them.
///
/// # Errors
///
/// When the machine has none.
pub fn ca_bundle() -> Result<Entry> {
    if !Path::new(CA_BUNDLE).is_file() {
        bail!("{CA_BUNDLE} does not exist; install the package ca-certificates");
    }
    Ok(Entry::disk(CA_BUNDLE, CA_BUNDLE, 0o644))
}
