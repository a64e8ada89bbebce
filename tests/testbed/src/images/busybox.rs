//! A static busybox: shell, `httpd`, `nc` and `wget` in one file, so an image needs nothing else.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::entry::Entry;
use super::spec::ImageSpec;

/// The user that containers of these images run as when they should not be root.
pub const USER: u32 = 1000;

const PASSWD: &str = "\
root:x:0:0:root:/:/bin/sh
app:x:1000:1000:app:/home/app:/bin/sh
nonroot:x:65532:65532:nonroot:/:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
";

const GROUP: &str = "\
root:x:0:
app:x:1000:
nonroot:x:65532:
nogroup:x:65534:
";

/// A busybox image called `name` from the static `busybox` (Debian's package busybox-static puts it at
/// `/bin/busybox`). It starts a shell unless a pod says otherwise.
///
/// # Errors
///
/// When the file does not run, or is linked dynamically.
pub fn image(name: &str, busybox: &Path) -> Result<ImageSpec> {
    Ok(ImageSpec::new(name).with(entries(busybox)?).cmd(["/bin/sh"]))
}

/// The image of the container that holds a pod's network namespace: it only has to stay.
///
/// # Errors
///
/// When the file does not run, or is linked dynamically.
pub fn pause(name: &str, busybox: &Path) -> Result<ImageSpec> {
    // Some 68 years, the largest number that every build of `sleep` takes.
    Ok(image(name, busybox)?
        .entrypoint(["/bin/sleep", "2147483647"])
        .cmd([]))
}

/// busybox with a link for each of its applets, writable folders, and users.
///
/// # Errors
///
/// When the file does not run, or is linked dynamically.
pub fn entries(busybox: &Path) -> Result<Vec<Entry>> {
    if !super::libraries::of(busybox)?.is_empty() {
        bail!(
            "{} is linked dynamically; images need the static one",
            busybox.display()
        );
    }
    let output = Command::new(busybox)
        .arg("--list")
        .output()
        .with_context(|| format!("cannot run {}", busybox.display()))?;
    if !output.status.success() {
        bail!("{} --list failed: {}", busybox.display(), output.status);
    }
    let applets = String::from_utf8(output.stdout).context("the list of applets is not UTF-8")?;
    let mut entries = writable_folders();
    entries.extend(
        applets
            .lines()
            .map(str::trim)
            .filter(|applet| !applet.is_empty() && *applet != "busybox" && !applet.contains('/'))
            .map(|applet| Entry::link(format!("/bin/{applet}"), "busybox")),
    );
    entries.push(Entry::program("/bin/busybox", busybox));
    Ok(entries)
}

/// What every image has: users, and folders that anybody can write to.
fn writable_folders() -> Vec<Entry> {
    vec![
        Entry::folder("/tmp", 0o1777),
        Entry::folder("/var/tmp", 0o1777),
        Entry::folder("/run", 0o1777),
        Entry::folder("/home/app", 0o1777),
        Entry::text("/etc/passwd", PASSWD, 0o644),
        Entry::text("/etc/group", GROUP, 0o644),
    ]
}
