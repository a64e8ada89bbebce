//! What commands write. Whoever has read enough, as `head` has, is no reason to fail, and the exit code still says what it is
//! meant to say.

use std::io::{self, Write};

/// An answer with colours, which only a terminal gets.
pub(super) fn answer(text: &str) -> io::Result<()> {
    write(anstream::stdout(), text.as_bytes())
}

/// An answer as it is.
pub(super) fn verbatim(answer: impl AsRef<[u8]>) -> io::Result<()> {
    write(io::stdout(), answer.as_ref())
}

/// A line beside the answer.
pub(super) fn aside(line: &str) -> io::Result<()> {
    write(anstream::stderr(), format!("{line}\n").as_bytes())
}

fn write(mut to: impl Write, text: &[u8]) -> io::Result<()> {
    match to.write_all(text).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
