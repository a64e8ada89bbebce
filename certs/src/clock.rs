//! Moments before and after others, within what can be told.

use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;

/// A while after a moment.
pub fn after(moment: Timestamp, while_: Duration) -> Timestamp {
    moment.saturating_add(while_).unwrap_or(Timestamp::MAX)
}

/// A while before a moment.
pub fn before(moment: Timestamp, while_: Duration) -> Timestamp {
    moment.saturating_sub(while_).unwrap_or(Timestamp::MIN)
}

/// Seconds since 1970; none are before it.
pub fn seconds(moment: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(moment.as_second()).unwrap_or(0))
}

/// The moment as the TLS library wants it.
pub fn unix(moment: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(seconds(moment))
}
