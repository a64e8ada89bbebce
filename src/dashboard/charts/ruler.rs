//! The score as a ruler of six parts: each level as wide as its share of the score, filled as far as it was earned.

use kymaros_crds::{LevelStatus, ValidationLevels};

use super::Percent;
use crate::dashboard::standing::Standing;

/// The names of the levels, in the order of the score.
pub const LEVELS: [&str; 6] = [
    "Restore integrity",
    "Completeness",
    "Pod start-up",
    "Internal health",
    "Dependencies",
    "RTO",
];
/// The same where there is little room.
const SHORT: [&str; 6] = ["Integrity", "Completeness", "Start-up", "Health", "Deps", "RTO"];
/// What each gives at most, for reports that do not say.
const MOST: [i32; 6] = [25, 20, 20, 20, 10, 5];
/// Room between two parts.
const GAP: f64 = 0.7;

/// A score by levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruler {
    /// The levels, first to last.
    pub segments: Vec<Segment>,
    /// For those who do not see it.
    pub label: String,
}

/// A level of a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its name.
    pub name: &'static str,
    /// The same where there is little room.
    pub short: &'static str,
    /// How it was judged.
    pub standing: Standing,
    /// Points earned.
    pub points: i32,
    /// Points that full marks give.
    pub max: i32,
    /// Where it begins.
    pub x: Percent,
    /// How wide it is.
    pub width: Percent,
    /// How far it is filled, of the whole ruler.
    pub filled: Percent,
}

impl Ruler {
    /// The ruler of judged levels.
    #[must_use]
    pub fn of(levels: &ValidationLevels) -> Self {
        let judged = in_order(levels);
        let all: i32 = judged
            .iter()
            .zip(MOST)
            .map(|(level, most)| max(level, most))
            .sum();
        let unit = 100.0 / f64::from(all.max(1));
        let mut x = 0.0;
        let mut segments = Vec::with_capacity(LEVELS.len());
        for (((level, name), short), most) in judged.into_iter().zip(LEVELS).zip(SHORT).zip(MOST) {
            let max = max(level, most);
            let points = level.points.unwrap_or_default().clamp(0, max);
            let room = (f64::from(max) * unit - GAP).max(0.0);
            segments.push(Segment {
                name,
                short,
                standing: level.status.into(),
                points,
                max,
                x: Percent(x),
                width: Percent(room),
                filled: Percent(room * f64::from(points) / f64::from(max)),
            });
            x += f64::from(max) * unit;
        }
        let said: Vec<String> = segments.iter().map(said).collect();
        Self {
            segments,
            label: said.join(", "),
        }
    }
}

fn said(segment: &Segment) -> String {
    match segment.standing {
        Standing::Unproven => format!("{} not tested", segment.name),
        _ => format!("{} {} of {}", segment.name, segment.points, segment.max),
    }
}

/// The levels in the order of the score.
#[must_use]
pub fn in_order(levels: &ValidationLevels) -> [&LevelStatus; 6] {
    [
        &levels.restore_integrity,
        &levels.completeness,
        &levels.pod_startup,
        &levels.internal_health,
        &levels.cross_namespace_deps,
        &levels.rto_compliance,
    ]
}

fn max(level: &LevelStatus, most: i32) -> i32 {
    level.max.filter(|max| (1..=100).contains(max)).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use kymaros_crds::LevelResult;

    use super::*;

    fn level(status: LevelResult, points: i32, max: i32) -> LevelStatus {
        LevelStatus {
            status,
            points: Some(points),
            max: Some(max),
            ..LevelStatus::default()
        }
    }

    #[test]
    fn a_level_is_as_wide_as_its_share_and_filled_as_far_as_it_was_earned() {
        let ruler = Ruler::of(&ValidationLevels {
            restore_integrity: level(LevelResult::Pass, 25, 25),
            completeness: level(LevelResult::Partial, 10, 20),
            ..ValidationLevels::default()
        });
        let widths: Vec<f64> = ruler.segments.iter().map(|s| s.width.0 + GAP).collect();
        assert_eq!(widths, [25.0, 20.0, 20.0, 20.0, 10.0, 5.0]);
        assert_eq!(ruler.segments[0].filled, ruler.segments[0].width);
        assert_eq!(ruler.segments[1].x, Percent(25.0));
        assert!((ruler.segments[1].filled.0 * 2.0 - ruler.segments[1].width.0).abs() < 1e-9);
        assert!(
            ruler
                .label
                .starts_with("Restore integrity 25 of 25, Completeness 10 of 20, Pod start-up not tested"),
            "{}",
            ruler.label
        );
    }

    #[test]
    fn nonsense_in_a_report_stays_inside_of_the_ruler() {
        let ruler = Ruler::of(&ValidationLevels {
            restore_integrity: level(LevelResult::Pass, 900, 25),
            completeness: level(LevelResult::Pass, -3, 0),
            pod_startup: level(LevelResult::Pass, i32::MAX, i32::MAX),
            ..ValidationLevels::default()
        });
        for segment in ruler.segments {
            assert!(
                segment.filled.0 <= segment.width.0 && segment.filled.0 >= 0.0,
                "{segment:?}"
            );
            assert!(segment.x.0 + segment.width.0 <= 100.0, "{segment:?}");
        }
    }
}
