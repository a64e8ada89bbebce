//! The time of one run. It goes on evenly: somebody may set the clock of the cluster while a run goes on, and that makes
//! nothing older or younger.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use kymaros_crds::RestoreReportStatus;

/// Clocks of machines that are in step differ by less, and API timestamps are cut to the second.
const IN_STEP: SignedDuration = SignedDuration::from_secs(5);

/// The even time of a run, for as long as this process looks after it.
#[derive(Debug)]
pub struct RunClock {
    begun: Instant,
    time: Mutex<EvenTime>,
}

impl RunClock {
    /// Starts now. Nothing of the run is older than `since`; `written` is the newest moment that its report holds.
    #[must_use]
    pub fn start(since: Timestamp, written: Option<Timestamp>) -> Self {
        Self {
            begun: Instant::now(),
            time: Mutex::new(EvenTime::new(Timestamp::now(), since, written)),
        }
    }

    /// The even time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = self.begun.elapsed();
        self.with(|time| time.look(Timestamp::now(), elapsed))
    }

    /// Since when this process looks after the run.
    #[must_use]
    pub fn looks_since(&self) -> Timestamp {
        self.with(|time| time.begun())
    }

    /// A moment that somebody else wrote down, by the clock of the cluster, in the even time.
    #[must_use]
    pub fn place(&self, written: Timestamp) -> Timestamp {
        self.with(|time| time.place(written))
    }

    /// The same of something that has happened.
    #[must_use]
    pub fn place_past(&self, written: Timestamp) -> Timestamp {
        self.with(|time| time.place_past(written))
    }

    fn with<T>(&self, work: impl FnOnce(&mut EvenTime) -> T) -> T {
        // Whoever holds the lock leaves it whole at each step.
        work(&mut self.time.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The newest moment that the report of a run holds: it is not earlier now.
#[must_use]
pub fn newest_moment(status: &RestoreReportStatus) -> Option<Timestamp> {
    let entries = status.timeline.iter();
    let moments = entries.flat_map(|entry| entry.started_at.iter().chain(&entry.finished_at));
    let moments = moments.map(|moment| moment.0);
    moments
        .chain(status.started_at.as_ref().map(|start| start.0))
        .max()
}

/// The even time, and how the clock of the cluster was set against it.
#[derive(Clone, Debug)]
pub struct EvenTime {
    origin: Timestamp,
    since: Timestamp,
    /// In order; the first holds from the beginning.
    settings: Vec<Setting>,
    /// Where moments were placed when they were seen first: then it was known best.
    placed: BTreeMap<Timestamp, Timestamp>,
    looked: Timestamp,
}

/// How far the clock is ahead, and since when. Somebody set it between two looks.
#[derive(Clone, Copy, Debug)]
struct Setting {
    ahead: SignedDuration,
    /// The last look before.
    from: Timestamp,
    /// The first look after.
    noticed: Timestamp,
}

impl EvenTime {
    /// Begins when the clock shows `wall`, but never before what is `written` already: the clock was set back since.
    #[must_use]
    pub fn new(wall: Timestamp, since: Timestamp, written: Option<Timestamp>) -> Self {
        let origin = written.map_or(wall, |written| written.max(wall));
        let since = since.min(origin);
        let mut time = Self {
            origin,
            since,
            settings: vec![Setting {
                ahead: SignedDuration::ZERO,
                from: since,
                noticed: since,
            }],
            placed: BTreeMap::new(),
            looked: origin,
        };
        time.look(wall, Duration::ZERO);
        time
    }

    /// When it began.
    #[must_use]
    pub fn begun(&self) -> Timestamp {
        self.origin
    }

    /// The even time when the clock shows `wall`, that long after the beginning.
    pub fn look(&mut self, wall: Timestamp, elapsed: Duration) -> Timestamp {
        let now = super::observed::after(self.origin, elapsed);
        let ahead = wall.duration_since(now);
        if (ahead - self.newest().ahead).abs() > IN_STEP {
            self.settings.push(Setting {
                ahead,
                from: self.looked,
                noticed: now,
            });
        }
        self.looked = now;
        now
    }

    /// A moment by the clock of the cluster in the even time.
    pub fn place(&mut self, written: Timestamp) -> Timestamp {
        let place = |time: &Self| time.place_anew(written);
        let placed = self.placed.get(&written).copied().unwrap_or_else(|| place(self));
        self.placed.insert(written, placed);
        placed
    }

    /// The same of something that has happened. What seems to be to come was written under a setting of the clock that this
    /// process never saw: it is taken to be of the first look at it.
    pub fn place_past(&mut self, written: Timestamp) -> Timestamp {
        let mut placed = self.place(written);
        if placed > back(self.looked, -IN_STEP) {
            placed = self.looked;
            self.placed.insert(written, placed);
        }
        placed
    }

    /// By the newest setting of the clock under which it may have been written. A clock that nobody set tells the time.
    fn place_anew(&self, written: Timestamp) -> Timestamp {
        let ends = self.settings.iter().skip(1).map(|s| s.noticed);
        let ends: Vec<Timestamp> = ends.chain([self.looked]).collect();
        let fits = self.settings.iter().zip(ends).rev().find_map(|(setting, end)| {
            let moment = back(written, setting.ahead);
            let in_time = moment >= back(setting.from, IN_STEP) && moment <= back(end, -IN_STEP);
            in_time.then_some(moment)
        });
        // Else it is something that is to come.
        let candidates = self.settings.iter().map(|s| back(written, s.ahead));
        let distance = |moment: &Timestamp| moment.duration_since(self.looked).abs();
        fits.or_else(|| candidates.min_by_key(distance))
            .unwrap_or(written)
    }

    fn newest(&self) -> Setting {
        self.settings.last().copied().unwrap_or(Setting {
            ahead: SignedDuration::ZERO,
            from: self.since,
            noticed: self.since,
        })
    }
}

fn back(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_sub(by).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    /// So many seconds after the run began.
    fn at(seconds: i64) -> Timestamp {
        let begun: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        begun + SignedDuration::from_secs(seconds)
    }

    /// A run of which a look was taken after `before` seconds, and after a minute another one when somebody had set the
    /// clock by so many.
    fn set_by(seconds: i64) -> EvenTime {
        let mut time = EvenTime::new(at(0), at(0), None);
        assert_eq!(time.look(at(50), Duration::from_secs(50)), at(50));
        assert_eq!(time.look(at(60 + seconds), Duration::from_mins(1)), at(60));
        time
    }

    #[test]
    fn a_clock_that_nobody_sets_tells_the_time() {
        let mut time = EvenTime::new(at(0), at(0), None);
        assert_eq!(
            time.look(at(63), Duration::from_mins(1)),
            at(60),
            "a machine may be a little ahead"
        );
        for seconds in [-HOUR, 0, 30, 600] {
            assert_eq!(time.place(at(seconds)), at(seconds), "{seconds}");
        }
    }

    #[test]
    fn what_is_written_after_the_clock_was_set_is_placed_where_it_happened() {
        for step in [HOUR, -HOUR, 24 * HOUR, -24 * HOUR] {
            let mut time = set_by(step);
            assert_eq!(time.place(at(58 + step)), at(58), "{step}");
            assert_eq!(
                time.look(at(90 + step), Duration::from_secs(90)),
                at(90),
                "{step}"
            );
            assert_eq!(time.place(at(80 + step)), at(80), "{step}");
        }
    }

    #[test]
    fn what_is_written_before_stays_where_it_was() {
        for step in [HOUR, -HOUR] {
            let mut time = set_by(step);
            assert_eq!(time.place(at(20)), at(20), "{step}");
        }
        // The same text could be of a moment before or after; it was seen before.
        let mut time = EvenTime::new(at(0), at(0), None);
        time.look(at(50), Duration::from_secs(50));
        assert_eq!(time.place(at(40)), at(40));
        time.look(at(40), Duration::from_mins(1));
        assert_eq!(time.place(at(40)), at(40));
        assert_eq!(time.place(at(39)), at(59), "and this one was not");
    }

    #[test]
    fn what_is_to_come_comes_soon() {
        for step in [HOUR, -HOUR] {
            let mut time = set_by(step);
            assert_eq!(time.place(at(90)), at(90), "{step}");
            assert_eq!(time.place(at(100 + step)), at(100), "{step}");
        }
    }

    #[test]
    fn what_has_happened_before_the_clock_was_set_back_and_the_process_began_is_not_to_come() {
        let mut time = EvenTime::new(at(100), at(0), Some(at(90)));
        assert_eq!(time.place_past(at(95 + HOUR)), at(100), "when it was seen first");
        time.look(at(130), Duration::from_secs(30));
        assert_eq!(time.place_past(at(95 + HOUR)), at(100), "and it grows older");
        for seconds in [20, 129, 133] {
            assert_eq!(time.place_past(at(seconds)), at(seconds), "{seconds}");
        }
    }

    #[test]
    fn it_can_be_set_again_and_again() {
        let mut time = set_by(HOUR);
        assert_eq!(time.look(at(120), Duration::from_mins(2)), at(120), "and back");
        assert_eq!(time.place(at(115)), at(115));
        assert_eq!(time.place(at(70 + HOUR)), at(70));
        assert_eq!(time.place(at(30)), at(30));
    }

    #[test]
    fn a_new_process_goes_on_where_the_report_ends_when_the_clock_was_set_back() {
        let mut time = EvenTime::new(at(100 - HOUR), at(0), Some(at(90)));
        assert_eq!(time.look(at(110 - HOUR), Duration::from_secs(10)), at(100));
        assert_eq!(time.place(at(30)), at(30));
        assert_eq!(time.place(at(105 - HOUR)), at(95));
    }
}
