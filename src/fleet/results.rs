//! How runs of the last days ended.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::{
    daily::day,
    runs::{Count, Index, Run},
    view::{Shown, View},
};

/// How runs of some days ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Those that were made in the last 24 hours.
    pub last_day: Count,
    /// By the day they were made, UTC.
    pub by_day: BTreeMap<Date, Count>,
}

pub(super) fn results(index: &Index, days: u32, view: &View) -> Shown<Results> {
    let (since, line) = view.since(Some(days));
    let since = since.unwrap_or(Timestamp::MIN);
    let yesterday = view.now.saturating_sub(SignedDuration::from_hours(24));
    let yesterday = yesterday.unwrap_or(Timestamp::MIN);
    let holds = |run: &&Arc<Run>| view.holds(&run.name);
    // Of the first day there may be a part only.
    let first = day(since);
    let part = index
        .since(Some(since))
        .take_while(|run| day(run.created) == first);
    let part = part.filter(holds);
    let mut by_day = BTreeMap::from([(first, count(part.map(AsRef::as_ref)))]);
    for (day, (cluster, namespace), count) in index.counted(first.saturating_add(1)) {
        if view.shows(cluster.as_ref(), namespace) {
            by_day.entry(day).or_insert_with(Count::default).add(count);
        }
    }
    let dated = |(day, count): (i64, Count)| {
        let begin = Timestamp::from_second(day.saturating_mul(86_400)).ok()?;
        Some((begin.to_zoned(TimeZone::UTC).date(), count))
    };
    Shown {
        what: Results {
            last_day: count(
                index
                    .since(Some(yesterday.max(since)))
                    .filter(holds)
                    .map(AsRef::as_ref),
            ),
            by_day: by_day
                .into_iter()
                .filter(|(_, count)| count.all() > 0)
                .filter_map(dated)
                .collect(),
        },
        hidden: line.into_iter().collect(),
    }
}

fn count<'a>(runs: impl Iterator<Item = &'a Run>) -> Count {
    let mut count = Count::default();
    for result in runs.filter_map(Run::result) {
        *count.of(result) += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use kymaros_crds::domain::Tier;

    use super::*;
    use crate::fleet::{
        RunLog, Scope,
        sample::{at, log, report, view},
    };

    fn of(log: &RunLog, view: &View) -> Shown<Results> {
        log.read(|index| results(index, 30, view))
    }

    fn days(results: &Results) -> Vec<(String, [usize; 4])> {
        let days = results.by_day.iter();
        days.map(|(day, of)| (day.to_string(), [of.pass, of.partial, of.inconclusive, of.fail]))
            .collect()
    }

    #[test]
    fn runs_are_counted_by_day_and_by_how_they_ended() {
        let log = log([
            report("ops", "shop", 1, "pass", Some(90)),
            report("ops", "shop", 8, "fail", Some(50)),
            report("ops", "blog", 8, "partial", Some(80)),
            report("ops", "blog", 9, "inconclusive", None),
            report("dev", "blog", 9, "pass", Some(100)),
            report("dev", "blog", 10, "", None),
        ]);
        let team = view(Tier::Team, 10);
        let all = of(&log, &team);
        let day = |day: &str, counts| (day.to_owned(), counts);
        let newest = [day("2026-01-09", [0, 1, 0, 1]), day("2026-01-10", [1, 0, 1, 0])];
        let with_first = [day("2026-01-02", [1, 0, 0, 0])]
            .into_iter()
            .chain(newest.clone());
        assert_eq!(days(&all.what), with_first.collect::<Vec<_>>());
        assert_eq!((all.what.last_day.pass, all.what.last_day.all()), (1, 2));
        assert_eq!(all.hidden.len(), 0);
        let scope = Scope::Namespace("dev".into());
        let dev = of(&log, &View { scope, ..team }).what;
        assert_eq!(
            (days(&dev), dev.last_day.all()),
            (vec![day("2026-01-10", [1, 0, 0, 0])], 1)
        );
        let community = of(&log, &view(Tier::Community, 10));
        assert_eq!(
            (days(&community.what), community.hidden.len()),
            (newest.into(), 1)
        );
    }

    #[test]
    fn of_the_first_day_those_count_that_the_tier_looks_back_to() {
        let log = log([
            report("ops", "shop", 1, "pass", Some(90)),
            report("ops", "blog", 2, "pass", Some(90)),
        ]);
        let hour = SignedDuration::from_hours(1);
        let seen = |now| {
            days(
                &of(
                    &log,
                    &View {
                        now,
                        ..view(Tier::Community, 8)
                    },
                )
                .what,
            )
            .len()
        };
        assert_eq!((seen(at(8) - hour), seen(at(8)), seen(at(8) + hour)), (2, 2, 1));
    }

    #[test]
    fn a_report_that_is_new_is_changed_or_goes_is_counted_so_at_once() {
        let log = log([report("ops", "shop", 9, "", None)]);
        let now = view(Tier::Team, 10);
        let seen = || {
            let results = of(&log, &now).what;
            let counts: Vec<_> = days(&results).into_iter().map(|(_, counts)| counts).collect();
            (counts, results.last_day.all())
        };
        let first = || report("ops", "shop", 9, "fail", Some(10));
        assert_eq!(seen(), (vec![], 0), "it goes on");
        log.look(&Event::Apply(first()));
        assert_eq!(seen(), (vec![[0, 0, 0, 1]], 1));
        log.look(&Event::Apply(report("ops", "shop", 9, "pass", Some(95))));
        assert_eq!(seen(), (vec![[1, 0, 0, 0]], 1), "another verdict");
        log.look(&Event::Init);
        log.look(&Event::InitApply(first()));
        assert_eq!(seen(), (vec![[1, 0, 0, 0]], 1), "until the new list is whole");
        log.look(&Event::InitDone);
        assert_eq!(seen(), (vec![[0, 0, 0, 1]], 1));
        log.look(&Event::Delete(first()));
        assert_eq!(seen(), (vec![], 0));
        assert!(
            log.read(|index| index.counted(i64::MIN).next().is_none()),
            "nothing is kept of it"
        );
    }
}
