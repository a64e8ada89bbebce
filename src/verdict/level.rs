//! One judged level: points out of so many, and in one sentence why.

use kymaros_crds::{LevelResult, LevelStatus};

/// One judged level.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Points earned.
    pub points: u32,
    /// Points that full marks give.
    pub max: u32,
    /// In one sentence.
    pub detail: String,
    /// What was looked at.
    pub tested: Vec<String>,
    /// What was not, and why.
    pub not_tested: Vec<String>,
    /// Whether there was anything to judge.
    pub judged: bool,
}

impl Level {
    pub(super) fn not_tested(max: u32, detail: &str) -> Self {
        Self {
            points: 0,
            max,
            detail: detail.to_owned(),
            tested: Vec::new(),
            not_tested: Vec::new(),
            judged: false,
        }
    }

    /// Points in proportion, rounded down: full marks only for everything.
    pub(super) fn share(max: u32, good: usize, all: usize, detail: String) -> Self {
        let earned = (max as usize * good.min(all)).checked_div(all);
        let points = earned.and_then(|p| p.try_into().ok()).unwrap_or(max);
        Self {
            points,
            max,
            detail,
            tested: Vec::new(),
            not_tested: Vec::new(),
            judged: true,
        }
    }

    pub(super) fn result(&self) -> LevelResult {
        match (self.judged, self.points) {
            (false, _) => LevelResult::NotTested,
            (true, points) if points == self.max => LevelResult::Pass,
            (true, 0) => LevelResult::Fail,
            (true, _) => LevelResult::Partial,
        }
    }

    pub(super) fn status(&self) -> LevelStatus {
        LevelStatus {
            status: self.result(),
            detail: Some(self.detail.clone()).filter(|d| !d.is_empty()),
            tested: bounded(&self.tested),
            not_tested: bounded(&self.not_tested),
            points: Some(i32::try_from(self.points).unwrap_or_default()),
            max: Some(i32::try_from(self.max).unwrap_or_default()),
        }
    }
}
/// A list as a report keeps it: the first of it, and how many more there are.
fn bounded(list: &[String]) -> Vec<String> {
    const MOST: usize = 50;
    let more = list.len().saturating_sub(MOST);
    let rest = (more > 0).then(|| format!("and {more} more"));
    list.iter().take(MOST).cloned().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_leaves_out_is_counted() {
        let names = |count: usize| (0..count).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(bounded(&names(50)), names(50));
        let cut = bounded(&names(57));
        assert_eq!((cut.len(), cut[50].as_str()), (51, "and 7 more"));
    }
}
