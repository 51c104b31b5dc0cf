//! YAML text to a checked [`Config`], or a precise error.
//!
//! [`load`] is the way in: it finds all problems of a file at once, each with its key path, its line
//! and what to write instead, and never quotes a value. Pure: the environment and the files that a
//! configuration names are handed in. Called by the binary alone; no other crate sees the file.

mod choice;
mod defaults;
mod diff;
mod effective;
mod error;
mod fence;
mod interpolate;
mod model;
mod names;
mod open;
mod raw;
mod reader;
mod report;
mod resolve;
mod schema;
mod source;
mod text;
mod tree;
mod units;
mod url;
mod yaml;

use std::path::Path;

use serde::Deserialize as _;

pub use diff::{Diff, diff};
pub use effective::effective;
pub use error::{Problem, Problems};
pub use fence::{Client, DeploymentType, Fence, Rule};
pub use model::{
    Admin, Affinity, AffinityMode, AuthHeader, Breaker, Config, Cooldown, Failover, Limits, Listen,
    Lists, Log, LogFormat, Price, Probe, ProbeStyle, RankBy, Region, RegionUrl, Routing, State,
    Strategy, Switch, Timeouts,
};
pub use schema::schema;
pub use yaml::MAX_FILE_BYTES;

use raw::RawConfig;
use reader::Reader;
use report::Report;
use source::Source;
use tree::{NodeId, Tree, Value};

/// The environment, as far as a configuration may ask for it.
pub trait Env {
    /// The value of a variable; `None` if it is not set.
    fn get(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Env for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// The files that a configuration names: secrets and certificates.
pub trait Secrets {
    /// The content of a text file.
    ///
    /// # Errors
    /// Why it cannot be read, in a few words that quote nothing of it.
    fn read(&self, path: &Path) -> Result<String, String>;

    /// Whether a TLS library takes the certificates of a PEM text, which cannot be told here.
    ///
    /// # Errors
    /// Why it does not, in a few words.
    fn usable(&self, pem: &str) -> Result<(), String> {
        let _ = pem;
        Ok(())
    }
}

/// Reads and checks a whole file.
///
/// # Errors
/// [`Problems`]: all that is wrong, or the one thing that keeps the file from being read at all.
pub fn load(text: &[u8], env: &dyn Env, files: &dyn Secrets) -> Result<Config, Problems> {
    let (text, tree) = yaml::parse(text)?;
    if matches!(tree.value(NodeId::ROOT), Value::Null) {
        let message = "the file is empty: start from config.example.yaml";
        return Err(Problems::whole_file(None, message));
    }
    let report = Report::default();
    // a reader never fails: what does not fit is in the report
    let raw = RawConfig::deserialize(Reader { tree: &tree, report: &report, node: NodeId::ROOT })
        .unwrap_or_default();
    let source = Source { tree: &tree, report: &report, env, files };
    let config = resolve::resolve(raw, &source);
    if report.is_empty() { Ok(config) } else { Err(problems(report, text, &tree)) }
}

fn problems(report: Report, text: &str, tree: &Tree) -> Problems {
    let (found, more) = report.into_parts();
    let problem = |found: error::Found| {
        let mut path = tree.path(found.node);
        if let Some(key) = found.missing {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key);
        }
        let line = yaml::line(text, tree, found.node);
        Problem { path, line, message: found.message }
    };
    Problems::new(found.into_iter().map(problem).collect(), more)
}
