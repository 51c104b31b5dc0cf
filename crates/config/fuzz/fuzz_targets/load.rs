//! Any bytes are a configuration or problems, one line each; what loads can be shown and loads
//! again; no secret from the environment or a file is ever shown.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use nearway_config::{Secrets, diff, effective, load};

const SECRET: &str = "s3cr3t-0123456789";

struct OneFile;

impl Secrets for OneFile {
    fn read(&self, path: &Path) -> Result<String, String> {
        if path == Path::new("/k") { Ok(SECRET.into()) } else { Err("no such file".into()) }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let env = |name: &str| (name == "K").then(|| SECRET.to_owned());
    match load(bytes, &env, &OneFile) {
        Err(problems) => {
            let said = problems.to_string();
            assert!(!said.contains(SECRET));
            assert!(said.lines().all(|line| line.starts_with("config.yaml")));
        }
        Ok(config) => {
            assert!(diff(&config, &config).needs_restart.is_empty());
            // a CA file cannot load: OneFile holds no certificate. Keys come back masked
            let again =
                load(effective(&config).as_bytes(), &env, &OneFile).expect("it loads again");
            assert!(
                again.regions.iter().map(|r| &r.name).eq(config.regions.iter().map(|r| &r.name))
            );
            assert_eq!((again.probe, again.routing), (config.probe, config.routing));
        }
    }
});
