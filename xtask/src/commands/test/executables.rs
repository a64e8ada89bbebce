//! What cargo makes of files of tests: programs, built once and then run without it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::operator::cargo_says;

/// The program of a file of tests.
#[derive(Debug)]
pub struct Executable {
    /// As cargo names the file.
    pub name: String,
    pub path: PathBuf,
    /// Where cargo would run it: the folder of its package.
    pub folder: PathBuf,
}

/// A line of `cargo --message-format=json`, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Builds these files.
pub async fn build(names: Vec<String>) -> Result<Vec<Executable>> {
    let mut args: Vec<String> = ["test", "--quiet", "--workspace", "--no-run"]
        .map(str::to_owned)
        .into();
    args.push("--message-format=json-render-diagnostics".to_owned());
    args.extend(names.into_iter().flat_map(|name| ["--test".to_owned(), name]));
    let said = cargo_says(args.iter().map(String::as_str)).await?;
    said.lines()
        .filter_map(|line| executable(line).transpose())
        .collect()
}

/// The program of a test that this line tells of. The programs that tests start are told of, too.
fn executable(line: &str) -> Result<Option<Executable>> {
    let message: Message = serde_json::from_str(line).context("reading what cargo says")?;
    let (Some(path), Some(manifest), Some(target)) =
        (message.executable, message.manifest_path, message.target)
    else {
        return Ok(None);
    };
    let is_test = target.kind.iter().any(|kind| kind == "test");
    Ok(is_test.then(|| Executable {
        name: target.name,
        path,
        folder: manifest.parent().unwrap_or(Path::new("/")).to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_of_tests_are_run() {
        let line = |kind: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/here/Cargo.toml","executable":{executable},
                     "target":{{"name":"runs","kind":["{kind}"]}}}}"#
            )
        };
        let test = executable(&line("test", r#""/there/runs-1""#)).unwrap().unwrap();
        assert_eq!(
            (test.name.as_str(), test.path.as_path(), test.folder.as_path()),
            ("runs", Path::new("/there/runs-1"), Path::new("/here"))
        );
        assert!(executable(&line("bin", r#""/there/kymaros""#)).unwrap().is_none());
        assert!(executable(&line("lib", "null")).unwrap().is_none());
        assert!(
            executable(r#"{"reason":"build-finished","success":true}"#)
                .unwrap()
                .is_none()
        );
        assert!(executable("warning: odd").is_err());
    }
}
