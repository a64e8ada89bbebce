//! The table of all cases, and the figures that sum it up.

use anyhow::{Result, bail};
use kymaros_crds::RunResult;

use super::play::Played;

/// What the suite is for.
pub struct Figures {
    faults: usize,
    found: usize,
    blamed: usize,
    healthy: usize,
    accused: usize,
    unplayed: usize,
    left: usize,
}

impl Figures {
    /// Counts.
    pub fn of(played: &[Played]) -> Self {
        let faults = || played.iter().filter(|p| p.fault.is_some());
        let healthy = || played.iter().filter(|p| p.fault.is_none());
        let left = |p: &&Played| p.said.as_ref().is_ok_and(|s| s.leftovers != Some(0));
        Self {
            faults: faults().count(),
            found: faults().filter(|p| p.is_right()).count(),
            blamed: faults().filter(|p| p.is_right() && p.blames_right()).count(),
            healthy: healthy().count(),
            accused: healthy().filter(|p| p.said.is_ok() && !p.is_right()).count(),
            unplayed: played.iter().filter(|p| p.said.is_err()).count(),
            left: played.iter().filter(left).count(),
        }
    }

    /// In one sentence.
    pub fn sentence(&self) -> String {
        format!(
            "{} of {} faults found, {} of them with the right one to blame; {} of {} healthy applications accused; \
             {} runs left something behind.",
            self.found, self.faults, self.blamed, self.accused, self.healthy, self.left
        )
    }

    /// Every fault is found, nine of ten causes are right, nobody healthy is accused, nothing is left behind.
    ///
    /// # Errors
    /// Says what falls short.
    pub fn check(&self) -> Result<()> {
        let all_played = self.unplayed == 0;
        let good = self.found == self.faults
            && self.blamed * 10 >= self.faults * 9
            && self.accused == 0
            && self.left == 0;
        if !all_played {
            bail!("{} cases could not be played", self.unplayed);
        }
        if !good {
            bail!("{}", self.sentence());
        }
        Ok(())
    }
}

/// The table and the figures.
pub fn markdown(played: &[Played]) -> String {
    let head = "| case | known | said | score | to blame | right |\n|---|---|---|---|---|---|\n";
    let rows: String = played.iter().map(row).collect();
    format!("{head}{rows}\n{}\n", Figures::of(played).sentence())
}

fn row(one: &Played) -> String {
    let known = match &one.fault {
        None => "healthy".to_owned(),
        Some(fault) => format!("fault, {:?}", fault.cause),
    };
    let (said, score, cause) = match &one.said {
        Ok(said) => (
            said.result.map_or("nothing", word).to_owned(),
            said.score.to_string(),
            said.cause.map_or("-".to_owned(), |c| format!("{c:?}")),
        ),
        Err(_) => ("not played".to_owned(), "-".to_owned(), "-".to_owned()),
    };
    let right = match (one.is_right(), one.blames_right()) {
        (true, true) => "yes",
        (true, false) => "found, not explained",
        (false, _) => "**no**",
    };
    format!(
        "| {} | {known} | {said} | {score} | {cause} | {right} |\n",
        one.name
    )
}

/// The page for docs.
pub fn page(played: &[Played]) -> String {
    format!(
        "# Verdicts, tested\n\n\
         Backups with a known fault, and healthy but tricky ones, restored on a real cluster with a real Velero; what\n\
         Kymaros said of each. The cases are in [tests/verdicts](../tests/verdicts), and this page is made by\n\
         `cargo xtask verdicts --publish`.\n\n{}",
        markdown(played)
    )
}

fn word(result: RunResult) -> &'static str {
    match result {
        RunResult::Pass => "pass",
        RunResult::Partial => "partial",
        RunResult::Fail => "fail",
        RunResult::Inconclusive => "inconclusive",
    }
}
