//! `nearway schema`: the JSON schema of the configuration file.

use crate::output;

pub(super) fn run() -> anyhow::Result<()> {
    output::line(nearway_config::schema().trim_end())?;
    Ok(())
}
