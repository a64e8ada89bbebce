//! The shared libraries that a program needs, with its loader.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The libraries and the loader of `program`, as `ldd` resolves them on this machine; none for a static program.
///
/// # Errors
///
/// When `ldd` does not run, or a library is not found.
pub fn of(program: &Path) -> Result<Vec<PathBuf>> {
    if !program.is_file() {
        bail!("{} does not exist", program.display());
    }
    let output = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C")
        .output()
        .context("cannot run ldd")?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // ldd fails on a static program of the non-PIE kind.
        if text.contains("not a dynamic executable") {
            return Ok(Vec::new());
        }
        bail!("ldd {} failed: {}", program.display(), text.trim());
    }
    parse(&text).with_context(|| format!("libraries of {}", program.display()))
}

/// Reads what `ldd` prints: `name => /path (address)`, and `/path (address)` for the loader.
fn parse(text: &str) -> Result<Vec<PathBuf>> {
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        let target = match line.split_once(" => ") {
            Some((name, "not found")) => bail!("{name} is not installed"),
            Some((_, target)) => target,
            None => line,
        };
        // The kernel's own library has no path.
        if target.starts_with('/')
            && let Some(path) = target.split_whitespace().next()
        {
            found.insert(PathBuf::from(path));
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_loader_are_found() {
        let text = "\
\tlinux-vdso.so.1 (0x00007ffd)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f)
";
        assert_eq!(
            parse(text).unwrap(),
            [
                PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6"),
                PathBuf::from("/lib64/ld-linux-x86-64.so.2")
            ]
        );
    }

    #[test]
    fn a_static_program_has_none() {
        assert!(parse("\tstatically linked\n").unwrap().is_empty());
    }

    #[test]
    fn a_missing_library_is_an_error() {
        let error = parse("\tlibfoo.so.1 => not found\n").unwrap_err();
        assert!(error.to_string().contains("libfoo.so.1"), "{error}");
    }
}
