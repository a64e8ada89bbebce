//! A watch that is interrupted goes on by itself; one that is not allowed never does.

use anyhow::bail;
use kube::runtime::watcher;

/// What was said of a watch.
#[derive(Default)]
pub(super) struct Trouble {
    said: Option<String>,
}

impl Trouble {
    /// What is to be said of an error now. A watch that ran out is no error: it is made anew.
    ///
    /// # Errors
    /// Waiting does not help.
    pub(super) fn with(&mut self, error: &watcher::Error) -> anyhow::Result<Option<String>> {
        let text = error.to_string();
        match code(error) {
            Some(401 | 403) => bail!(
                "the run was asked for, but cannot be followed; that takes the right to list and watch restorereports: {text}"
            ),
            Some(410) => return Ok(None),
            _ => {}
        }
        let is_new = self.said.as_ref() != Some(&text);
        self.said = Some(text.clone());
        Ok(is_new.then(|| format!("the run cannot be followed now: {text}")))
    }
}

fn code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn failure(message: &str, code: u16) -> Box<Status> {
        Box::new(Status::failure(message, "").with_code(code))
    }

    #[test]
    fn what_passes_is_said_once_and_what_does_not_ends_it() {
        let mut trouble = Trouble::default();
        let down = watcher::Error::WatchStartFailed(kube::Error::Api(failure("etcd is away", 500)));
        let said = trouble.with(&down).unwrap().unwrap();
        assert!(said.contains("etcd is away"), "{said}");
        assert_eq!(trouble.with(&down).unwrap(), None);
        let expired = watcher::Error::WatchError(failure("too old", 410));
        assert_eq!(trouble.with(&expired).unwrap(), None);
        let other = watcher::Error::NoResourceVersion;
        assert!(trouble.with(&other).unwrap().is_some());
        for code in [401, 403] {
            let status = failure("you may not", code);
            let refused = watcher::Error::InitialListFailed(kube::Error::Api(status.clone()));
            for refused in [refused, watcher::Error::WatchError(status)] {
                let error = trouble.with(&refused).unwrap_err().to_string();
                assert!(error.contains("list and watch restorereports"), "{error}");
            }
        }
    }
}
