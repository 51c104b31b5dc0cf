//! What unit tests of this crate start from. Compiled for tests only.

use nearway_config::{Config, Region};

use crate::env::ProcessEnv;

/// A configuration of one region with these further lines.
pub(crate) fn config(lines: &str) -> Config {
    whole(&format!("regions: [{{name: a, url: 'https://a.example.com'}}]\n{lines}\n"))
}

/// The configuration of this text.
pub(crate) fn whole(text: &str) -> Config {
    nearway_config::load(text.as_bytes(), &ProcessEnv, &NoFiles).expect("a good configuration")
}

/// A region at its defaults.
pub(crate) fn region(name: &str) -> Region {
    let mut config = config("");
    let mut region = config.regions.remove(0);
    region.name = name.into();
    region
}

struct NoFiles;

impl nearway_config::Secrets for NoFiles {
    fn read(&self, path: &std::path::Path) -> Result<String, String> {
        Err(format!("{} is not there", path.display()))
    }
}
