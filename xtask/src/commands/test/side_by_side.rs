//! Files of tests run side by side; what each says is shown when it has ended, so that nothing is mixed up.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream};
use tokio::process::Command;

use super::{
    executables::Executable,
    files::{Ground, ground},
};

/// Runs all of them, so many at a time, whatever becomes of one.
///
/// # Errors
/// When one fails or cannot be run; it names each.
pub async fn run_all(files: Vec<Executable>, at_once: usize, options: &[&str]) -> Result<()> {
    let runs = files.into_iter().map(async |file| {
        let passed = run(&file, options).await;
        if let Err(error) = &passed {
            println!("   {}: {error:#}", file.name);
        }
        passed.is_err().then_some(file.name)
    });
    let failed: Vec<String> = stream::iter(runs)
        .buffer_unordered(at_once)
        .filter_map(std::future::ready)
        .collect()
        .await;
    if !failed.is_empty() {
        bail!("tests failed in {}", failed.join(", "));
    }
    Ok(())
}

async fn run(file: &Executable, options: &[&str]) -> Result<()> {
    let begun = Instant::now();
    let output = command(file)
        .args(options)
        .current_dir(&file.folder)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("starting {}", file.path.display()))?;
    let seconds = begun.elapsed().as_secs();
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        if let Some(count) = passed(&said) {
            println!("   {seconds:>4} s  {}: {count} passed", file.name);
        }
        return Ok(());
    }
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    bail!("{}, after {seconds} s", output.status)
}

/// What runs beside others leaves them the processors: some of them measure.
fn command(file: &Executable) -> Command {
    match ground(&file.name) {
        Ground::Own => {
            let mut nice = Command::new("nice");
            nice.arg("--adjustment=5").arg(&file.path);
            nice
        }
        Ground::Shared | Ground::Alone | Ground::Operator => Command::new(&file.path),
    }
}

/// How many tests passed, of what the test harness says at the end; none when there was nothing to do.
fn passed(said: &str) -> Option<u32> {
    let counts = said
        .lines()
        .find_map(|line| line.strip_prefix("test result: ok. "))?;
    let count = counts.split(' ').next()?.parse().ok()?;
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str) -> Executable {
        Executable {
            name: name.into(),
            path: format!("/bin/{name}").into(),
            folder: "/".into(),
        }
    }

    #[tokio::test]
    async fn one_that_fails_is_named_and_keeps_no_other_from_running() {
        run_all(vec![program("true")], 1, &[]).await.unwrap();
        let failing = ["false", "true", "no-such-program"].map(program).into();
        let error = run_all(failing, 2, &[]).await.unwrap_err().to_string();
        assert!(
            error.contains("false") && error.contains("no-such-program"),
            "{error}"
        );
        assert!(!error.contains("true"), "{error}");
    }

    #[test]
    fn what_passed_is_counted() {
        let said =
            |count| format!("\nrunning 2 tests\n\ntest result: ok. {count} passed; 0 failed; finished\n");
        assert_eq!(passed(&said(2)), Some(2));
        assert_eq!(passed(&said(0)), None);
        assert_eq!(passed("test result: FAILED. 1 passed; 1 failed"), None);
    }
}
