//! Several contenders with clocks of their own, an API server that answers late or not at all, crashes, and people who
//! meddle: never two leaders.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Timing,
    decide::{Action, Seen, View, decide},
};

const TIMING: Timing = Timing {
    duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry: Duration::from_secs(2),
};

/// A contender with a clock that runs at its own rate.
struct Contender {
    view: View,
    born: f64,
    rate: f64,
}

impl Contender {
    fn new(number: usize, life: usize, born: f64, rate: f64) -> Self {
        Self {
            view: View::new(format!("{number}-{life}"), TIMING),
            born,
            rate,
        }
    }

    fn clock(&self, now: f64) -> Duration {
        Duration::from_secs_f64((now - self.born).max(0.0) * self.rate)
    }

    /// It acts until its own clock says that it may not.
    fn leads(&self, now: f64) -> bool {
        let until = self
            .view
            .renewed_at
            .map(|renewed| renewed + TIMING.renew_deadline);
        until.is_some_and(|until| self.clock(now) < until)
    }
}

/// The Lease in the API server: holder and version.
#[derive(Default)]
struct Server {
    lease: Option<(String, u64)>,
    version: u64,
}

impl Server {
    fn seen(&self) -> Seen {
        match &self.lease {
            None => Seen::Absent,
            Some((holder, version)) => Seen::Lease {
                holder: holder.clone(),
                version: version.to_string(),
            },
        }
    }

    /// Compare-and-swap, as the API server does it.
    fn write(&mut self, holder: &str, over: &Seen) -> bool {
        let fresh = self.seen() == *over;
        if fresh {
            self.version += 1;
            self.lease = Some((holder.to_owned(), self.version));
        }
        fresh
    }
}

/// What happens to one contender.
#[derive(Clone, Copy, Debug)]
struct Turn {
    who: usize,
    /// Seconds that pass before.
    pause: f64,
    /// Seconds until the request reaches the server, and until its answer is back.
    latency: (f64, f64),
    /// The request does not arrive; or its answer does not.
    lost: Option<bool>,
    /// A watch tells it of the Lease first.
    hears: bool,
    event: Event,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Nothing,
    Crash,
    /// It stops and gives the Lease back.
    GiveBack,
    /// Somebody writes another holder into the Lease.
    Meddle,
}

fn turn() -> impl Strategy<Value = Turn> {
    let event = prop_oneof![
        40 => Just(Event::Nothing), 1 => Just(Event::Crash), 1 => Just(Event::GiveBack), 1 => Just(Event::Meddle)
    ];
    let lost = prop_oneof![6 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    (
        0_usize..3,
        0.0..3.0_f64,
        (0.0..2.0_f64, 0.0..2.0_f64),
        lost,
        any::<bool>(),
        event,
    )
        .prop_map(|(who, pause, latency, lost, hears, event)| Turn {
            who,
            pause,
            latency,
            lost,
            hears,
            event,
        })
}

struct World {
    now: f64,
    server: Server,
    contenders: Vec<Contender>,
    lives: usize,
}

impl World {
    fn new(rates: &[f64]) -> Self {
        let contenders = rates
            .iter()
            .enumerate()
            .map(|(n, rate)| Contender::new(n, 0, 0.0, *rate));
        Self {
            now: 0.0,
            server: Server::default(),
            contenders: contenders.collect(),
            lives: 0,
        }
    }

    fn leaders(&self) -> usize {
        self.contenders.iter().filter(|c| c.leads(self.now)).count()
    }

    fn take(&mut self, turn: Turn) {
        self.now += turn.pause;
        let who = turn.who;
        match turn.event {
            Event::Nothing => {}
            Event::Crash => {
                self.lives += 1;
                let rate = self.contenders[who].rate;
                self.contenders[who] = Contender::new(who, self.lives, self.now, rate);
            }
            Event::GiveBack => {
                let contender = &mut self.contenders[who];
                if contender.view.renewed_at.take().is_some() {
                    self.server.write("", &contender.view.seen);
                }
            }
            Event::Meddle => {
                self.server.version += 1;
                self.server.lease = Some(("somebody".into(), self.server.version));
            }
        }
        let seen = self.server.seen();
        let clock = self.contenders[who].clock(self.now);
        let view = &mut self.contenders[who].view;
        if turn.hears && view.renewed_at.is_none() {
            view.look(seen, clock);
        }
        match decide(view, clock) {
            Action::Wait(_) => {}
            Action::StepDown => view.renewed_at = None,
            Action::Look => self.look(turn),
            Action::Write => self.write(turn),
        }
    }

    fn look(&mut self, turn: Turn) {
        self.now += turn.latency.0;
        let seen = self.server.seen();
        self.now += turn.latency.1;
        let contender = &mut self.contenders[turn.who];
        let clock = contender.clock(self.now);
        if turn.lost.is_some() {
            contender.view.failed(clock);
        } else {
            contender.view.look(seen, clock);
        }
    }

    fn write(&mut self, turn: Turn) {
        let contender = &self.contenders[turn.who];
        let begun = contender.clock(self.now);
        let (identity, over) = (contender.view.identity.clone(), contender.view.seen.clone());
        self.now += turn.latency.0;
        let written = turn.lost != Some(true) && self.server.write(&identity, &over);
        let seen = self.server.seen();
        self.now += turn.latency.1;
        let contender = &mut self.contenders[turn.who];
        let clock = contender.clock(self.now);
        match (turn.lost, written) {
            (Some(_), _) => contender.view.failed(clock),
            (None, true) => contender.view.wrote(begun, seen, clock),
            (None, false) => contender.view.must_look = true,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn never_two_leaders(
        rates in prop::collection::vec(0.9..1.1_f64, 3),
        turns in prop::collection::vec(turn(), 0..300),
    ) {
        let mut world = World::new(&rates);
        for turn in turns {
            world.take(turn);
            // Somebody who meddles ends a leader only when it looks; until then nobody else may lead either.
            prop_assert!(world.leaders() <= 1, "{} leaders", world.leaders());
        }
    }

    #[test]
    fn somebody_leads_in_the_end(
        rates in prop::collection::vec(0.9..1.1_f64, 3),
        turns in prop::collection::vec(turn(), 0..100),
    ) {
        let mut world = World::new(&rates);
        for turn in turns {
            world.take(turn);
        }
        let calm = |who| Turn {
            who, pause: 0.5, latency: (0.01, 0.01), lost: None, hears: true, event: Event::Nothing,
        };
        for step in 0..120 {
            world.take(calm(step % 3));
        }
        prop_assert_eq!(world.leaders(), 1);
    }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lease(holder: &str) -> Seen {
    Seen::Lease {
        holder: holder.into(),
        version: "1".into(),
    }
}

#[test]
fn a_lease_of_somebody_else_is_taken_when_it_has_not_changed_for_its_duration() {
    let mut view = View::new("me".into(), TIMING);
    assert_eq!(decide(&view, at(0)), Action::Look);
    view.look(lease("other"), at(1));
    assert_eq!(decide(&view, at(15)), Action::Wait(at(16)));
    assert_eq!(decide(&view, at(16)), Action::Write);
    view.look(lease("other"), at(20));
    assert_eq!(decide(&view, at(20)), Action::Write, "seen again is not changed");
}

#[test]
fn one_that_was_given_back_is_taken_at_once_and_one_that_vanished_is_not() {
    let mut view = View::new("me".into(), TIMING);
    view.look(lease("other"), at(1));
    view.look(Seen::Absent, at(2));
    assert_eq!(
        decide(&view, at(3)),
        Action::Wait(at(17)),
        "its holder may still act"
    );
    view.look(lease(""), at(4));
    assert_eq!(decide(&view, at(4)), Action::Write);
}

#[test]
fn a_leader_that_cannot_renew_steps_down_before_others_may_take_over() {
    let mut view = View::new("me".into(), TIMING);
    view.look(Seen::Absent, at(0));
    view.wrote(at(0), lease("me"), at(1));
    assert_eq!(decide(&view, at(1)), Action::Wait(at(2)));
    assert_eq!(decide(&view, at(2)), Action::Write);
    view.failed(at(8));
    assert_eq!(decide(&view, at(9)), Action::Wait(at(10)));
    assert_eq!(decide(&view, at(10)), Action::StepDown);
    view.look(lease("other"), at(9));
    assert_eq!(decide(&view, at(9)), Action::StepDown, "it was taken by hand");
}
