//! Live streams: so many at once, of which each client has a share, so that one with a right to read does not take them
//! from all others.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::StatusCode;

use super::{Api, problem::Problem};

/// Streams of one account: more than anybody looks at.
const OF_ACCOUNT: usize = 16;
/// Those of one address, which may be a proxy, where nobody has an account.
const OF_ADDRESS: usize = 4 * OF_ACCOUNT;

/// Who listens to a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listener {
    /// An account of the cluster, whatever its token.
    Account(String),
    /// Somebody without one.
    Address(Option<IpAddr>),
}

impl Listener {
    /// Who somebody is that was let in.
    pub async fn of(api: &Api, token: Option<&str>, address: Option<IpAddr>) -> Self {
        let account = match token {
            Some(token) => api.auth.account(token).await,
            None => None,
        };
        account.map_or(Self::Address(address), Self::Account)
    }

    fn most(&self) -> usize {
        match self {
            Self::Account(_) => OF_ACCOUNT,
            Self::Address(_) => OF_ADDRESS,
        }
    }
}

/// Room for live streams.
#[derive(Clone)]
pub struct Seats {
    most: usize,
    taken: Arc<Mutex<HashMap<Listener, usize>>>,
}

impl Seats {
    /// Room for so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            taken: Arc::default(),
        }
    }

    /// Room for one more, until what is given is dropped.
    ///
    /// # Errors
    /// 429 when the listener has its share, 503 when all room is taken.
    pub fn take(&self, listener: Listener) -> Result<Seat, Problem> {
        let mut taken = self.lock();
        let (most, all) = (listener.most(), taken.values().sum::<usize>());
        let own = taken.get(&listener).copied().unwrap_or_default();
        if own >= most {
            let who = match listener {
                Listener::Account(_) => "account",
                Listener::Address(_) => "address",
            };
            let error = format!("this {who} has {most} live streams, and no more at once; close one of them");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, error));
        }
        if all >= self.most {
            let error = "too many live streams; try again later";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error));
        }
        taken.insert(listener.clone(), own + 1);
        Ok(Seat {
            seats: self.clone(),
            listener,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Listener, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one stream, as long as it lives.
pub struct Seat {
    seats: Seats,
    listener: Listener,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        if let Some(own) = taken.get_mut(&self.listener) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.listener);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Listener {
        Listener::Account(name.to_owned())
    }

    fn code(taken: &Result<Seat, Problem>) -> u16 {
        taken
            .as_ref()
            .map_or_else(|problem| problem.status().as_u16(), |_| 200)
    }

    #[test]
    fn whoever_has_their_share_leaves_the_rest_to_others() {
        let seats = Seats::new(1000);
        let here = Listener::Address(Some([127, 0, 0, 1].into()));
        for (listener, most) in [(account("reader"), 16), (here, 64)] {
            let mut own: Vec<_> = (0..most).map(|_| seats.take(listener.clone())).collect();
            assert!(own.iter().all(Result::is_ok), "{listener:?}");
            assert_eq!(code(&seats.take(listener.clone())), 429, "{listener:?}");
            own.pop();
            assert_eq!(code(&seats.take(listener)), 200, "a place was left");
        }
        assert_eq!(code(&seats.take(account("other"))), 200);
        assert!(seats.lock().is_empty(), "nobody is remembered who has left");
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let seats = Seats::new(2);
        let first = seats.take(account("a"));
        let _second = seats.take(account("b"));
        assert_eq!(code(&seats.take(account("c"))), 503);
        drop(first);
        assert_eq!(code(&seats.take(account("c"))), 200);
    }
}
