//! `nearway check`: all problems, or the configuration in force. Contacts nobody.

use crate::cli::ConfigFile;
use crate::output;

pub(super) fn run(file: ConfigFile) -> anyhow::Result<()> {
    let (config, _, _) = super::read(file)?;
    // what only shows when regions are made: certificates, keys that no header can carry
    crate::assemble::Assembly::new(1).make(&config)?;
    output::print(&nearway_config::effective(&config))?;
    Ok(())
}
