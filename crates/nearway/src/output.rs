//! What the commands print: answers to stdout, complaints to stderr. Logs do not go through here.
//!
//! Every write says whether the reader is still there; a closed pipe is no error to report.

use std::io::{self, IsTerminal as _, Write as _};

/// Prints text that ends its own lines, at once.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Prints one line, at once.
pub(crate) fn line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

/// Whether a person is watching stdout.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// An error and its causes in one line; a cause that its effect has quoted is not said again.
#[must_use]
pub fn explain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| {
        match (said.is_empty(), said.contains(&cause)) {
            (true, _) => cause,
            (false, true) => said,
            (false, false) => format!("{said}: {cause}"),
        }
    })
}

/// Prints to stderr; if even that is closed, nobody is left to tell.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

/// Whether a command ended because the reader of its output went away.
#[must_use]
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_cause_is_said_once() {
        let cause = io::Error::other("no space");
        let quoting = anyhow::anyhow!("cannot write: {cause}").context("a.json");
        assert_eq!(explain(&quoting), "a.json: cannot write: no space");
        let wrapping = anyhow::Error::new(cause).context("cannot write");
        assert_eq!(explain(&wrapping.context("no space left")), "no space left: cannot write");
    }

    #[test]
    fn only_a_broken_pipe_is_forgiven_however_deep() {
        let broken: Result<(), _> = Err(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(is_broken_pipe(&broken.context("printing").unwrap_err()));
        let refused: Result<(), _> = Err(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(!is_broken_pipe(&refused.context("printing").unwrap_err()));
        assert!(!is_broken_pipe(&anyhow::anyhow!("broken pipe")));
    }
}
