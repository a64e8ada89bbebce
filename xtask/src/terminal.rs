//! Progress on a terminal, or in a log.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kymaros_testbed::progress::Progress;

/// In a log, where a line cannot be replaced, one line is enough for this long.
const QUIET: Duration = Duration::from_secs(10);

/// Writes to standard error: standard output is for results.
pub struct Terminal {
    is_terminal: bool,
    last: Mutex<Instant>,
}

impl Terminal {
    pub fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
            last: Mutex::new(Instant::now()),
        }
    }
}

impl Progress for Terminal {
    fn step(&self, text: &str) {
        let clear = if self.is_terminal { "\r\x1b[2K" } else { "" };
        eprintln!("{clear}{text}");
    }

    fn update(&self, text: &str) {
        let mut error = std::io::stderr();
        if self.is_terminal {
            // A line that does not fit would not be replaced but pile up. Nothing to do when stderr is closed.
            let _ = write!(error, "\r\x1b[2K{}", shorten(text));
            let _ = error.flush();
        } else if let Ok(mut last) = self.last.lock()
            && last.elapsed() >= QUIET
        {
            *last = Instant::now();
            let _ = writeln!(error, "{text}");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.is_terminal {
            eprint!("\r\x1b[2K");
        }
    }
}

/// As much as fits in the narrowest usual terminal.
fn shorten(text: &str) -> String {
    const WIDTH: usize = 79;
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    text.chars().take(WIDTH - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"x".repeat(79)).len(), 79);
        assert_eq!(shorten(&"x".repeat(80)).len(), 79);
    }
}
