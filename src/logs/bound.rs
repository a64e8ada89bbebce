//! Keeping logs and events small: pure functions.

use std::cmp::Reverse;

use kymaros_crds::{CollectedEvent, ContainerLog, PodLog};

/// Of one log, bytes; as in 0.6.9.
pub(super) const CONTAINER: usize = 64 * 1024;
/// Of all logs of a report, bytes: a report stays below 256 KiB.
const REPORT: usize = 96 * 1024;
/// A log that would be cut below this is left out, bytes; as in 0.6.9.
const LEAST: usize = 256;
/// Events of a report.
const EVENTS: usize = 60;
/// Of the message of an event, characters.
const MESSAGE: usize = 300;

/// What stands in the place of a log that was left out.
const LEFT_OUT: &str = "[left out: the logs of this run are too large]";

/// The last lines of a log, of these the last bytes, and whether that left something out.
pub(super) fn tail(text: &str, max_lines: u32) -> (String, bool) {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(max_lines as usize);
    let kept = lines[first..].join("\n");
    let cut = last_bytes(&kept, CONTAINER);
    let truncated = first > 0 || cut.len() < kept.len();
    (cut.to_owned(), truncated)
}

/// The last bytes of a text, cut between characters.
fn last_bytes(text: &str, most: usize) -> &str {
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// Cuts the longest log in half, again and again, until all of them fit.
pub(super) fn fit(logs: &mut [PodLog]) {
    let size =
        |logs: &[PodLog]| -> usize { logs.iter().flat_map(|p| &p.containers).map(|c| c.log.len()).sum() };
    while size(logs) > REPORT {
        let longest = logs
            .iter_mut()
            .flat_map(|p| &mut p.containers)
            .max_by_key(|c| c.log.len());
        match longest {
            Some(log) if log.log != LEFT_OUT => halve(log),
            _ => return,
        }
    }
}

fn halve(log: &mut ContainerLog) {
    let half = log.log.len() / 2;
    log.truncated = true;
    log.log = if half < LEAST {
        LEFT_OUT.to_owned()
    } else {
        last_bytes(&log.log, half).to_owned()
    };
}

/// Warnings first, then the newest; long messages are cut.
pub(super) fn choose(mut events: Vec<CollectedEvent>) -> Vec<CollectedEvent> {
    events.sort_by_key(|e| (e.type_ != "Warning", Reverse(e.last_timestamp.clone())));
    events.truncate(EVENTS);
    for event in &mut events {
        event.message = event.message.chars().take(MESSAGE).collect();
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(sizes: &[usize]) -> PodLog {
        PodLog {
            containers: sizes
                .iter()
                .map(|size| ContainerLog {
                    log: "x".repeat(*size),
                    ..ContainerLog::default()
                })
                .collect(),
            ..PodLog::default()
        }
    }

    #[test]
    fn the_last_lines_are_kept_and_it_says_that_there_were_more() {
        assert_eq!(tail("a\nb\nc\n", 2), ("b\nc".to_owned(), true));
        assert_eq!(tail("a\nb\n", 2), ("a\nb".to_owned(), false));
        let (kept, truncated) = tail(&"ü".repeat(CONTAINER), 10);
        assert!(truncated && kept.len() <= CONTAINER && kept.chars().all(|c| c == 'ü'));
    }

    #[test]
    fn the_longest_are_cut_until_all_fit() {
        let mut logs = [pod(&[CONTAINER, CONTAINER, 100]), pod(&[CONTAINER])];
        fit(&mut logs);
        let sizes: Vec<usize> = logs
            .iter()
            .flat_map(|p| &p.containers)
            .map(|c| c.log.len())
            .collect();
        assert!(sizes.iter().sum::<usize>() <= REPORT, "{sizes:?}");
        assert_eq!(sizes[2], 100, "a short one stays whole");
        assert!(logs[0].containers[0].truncated || logs[1].containers[0].truncated);
        let mut many: Vec<PodLog> = (0..5000).map(|_| pod(&[300])).collect();
        fit(&mut many);
        assert!(many.iter().any(|p| p.containers[0].log == LEFT_OUT));
    }

    #[test]
    fn warnings_come_first_and_there_are_never_too_many() {
        let event = |type_: &str| CollectedEvent {
            type_: type_.into(),
            message: "m".repeat(1000),
            ..CollectedEvent::default()
        };
        let mut events: Vec<_> = (0..150).map(|_| event("Normal")).collect();
        events.push(event("Warning"));
        let chosen = choose(events);
        assert_eq!((chosen.len(), chosen[0].type_.as_str()), (EVENTS, "Warning"));
        assert_eq!(chosen[0].message.len(), MESSAGE);
    }
}
