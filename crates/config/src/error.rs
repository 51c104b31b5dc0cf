//! What is wrong with a file, all of it at once, one line a problem: where it is and what to write
//! instead. Values are never quoted, since any may hold a secret; only a fence that shuts somebody out
//! names whom. Shown by `nearway check`, by `serve` at its start, and by the log when a reload is refused.

use std::error::Error;
use std::fmt;

use crate::tree::NodeId;

/// Problems reported for one file; what is beyond is counted. Finding a line costs a parse.
pub(crate) const MAX_PROBLEMS: usize = 100;

/// Everything that is wrong with a file, at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: String,
    list: Vec<Problem>,
    more: usize,
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Key path such as `regions[0].url`; empty when it is about the whole file.
    pub path: String,
    /// Counted from 1; `None` when the file was never read.
    pub line: Option<usize>,
    /// One line that says what to write instead and quotes no value.
    pub message: String,
}

impl Problems {
    /// A file that the caller could not read: missing, a directory, not permitted.
    #[must_use]
    pub fn unreadable(reason: &str) -> Self {
        Self::whole_file(None, format!("the file cannot be read: {reason}"))
    }

    pub(crate) fn whole_file(line: Option<usize>, message: impl Into<String>) -> Self {
        Self::new(vec![Problem { path: String::new(), line, message: message.into() }], 0)
    }

    /// In the order of the file.
    pub(crate) fn new(mut list: Vec<Problem>, more: usize) -> Self {
        list.sort_by_key(|problem| problem.line);
        Self { file: "config.yaml".into(), list, more }
    }

    /// Says which file it is, in place of `config.yaml`.
    #[must_use]
    pub fn named(mut self, file: &str) -> Self {
        file.clone_into(&mut self.file);
        self
    }

    /// In the order of the file, at most 100.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// How many more there are than are listed.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { path, line, message }) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if let Some(line) = line {
                write!(f, ":{line}")?;
            }
            if !path.is_empty() {
                write!(f, ": {path}")?;
            }
            write!(f, ": {message}")?;
        }
        if self.more > 0 {
            let (file, more) = (&self.file, self.more);
            write!(f, "\n{file}: {more} more not listed: mend these first")?;
        }
        Ok(())
    }
}

impl Error for Problems {}

/// A problem before its line is known: what [`crate::reader`] and [`crate::resolve`] write into the
/// [`Report`](crate::report::Report).
#[derive(Debug)]
pub(crate) struct Found {
    /// The value that is wrong, or the mapping that lacks `missing`.
    pub(crate) node: NodeId,
    pub(crate) missing: Option<&'static str>,
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_problem_in_the_order_of_the_file() {
        let problem = |path: &str, line, message: &str| Problem {
            path: path.into(),
            line,
            message: message.into(),
        };
        let problems = Problems::new(
            vec![problem("b", Some(7), "write 1"), problem("a", Some(2), "write 2")],
            3,
        );
        assert_eq!(
            problems.named("n.yaml").to_string(),
            "n.yaml:2: a: write 2\nn.yaml:7: b: write 1\nn.yaml: 3 more not listed: mend these first"
        );
    }

    #[test]
    fn an_unreadable_file_has_no_line() {
        assert_eq!(
            Problems::unreadable("is a directory").to_string(),
            "config.yaml: the file cannot be read: is a directory"
        );
    }
}
