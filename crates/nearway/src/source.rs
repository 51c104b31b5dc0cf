//! The files that a configuration comes from: read whole, bounded, and fingerprinted together.
//!
//! The only file reads of the product. Secrets and certificates that the configuration names count
//! into the fingerprint, so a rotated key is noticed like an edited region. Everything blocks:
//! `reload.rs` calls from a blocking thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use nearway_config::{Config, Problems, Secrets};
use nearway_upstream::{RegionError, TlsTrust};

use crate::env::ProcessEnv;

/// A configuration file, by name.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
}

/// What one reading gave.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, or all that is wrong with it.
    pub config: Result<Config, Problems>,
    /// Of everything that was read for it.
    pub fingerprint: Fingerprint,
}

/// The contents of some files, to be compared: which differ is not of interest, only that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Result<u64, io::ErrorKind>>);

impl Source {
    /// The file is not opened yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and checks the file with all that it names.
    #[must_use]
    pub fn load(&self) -> Loaded {
        let files = Files::default();
        let config = files
            .read(&self.path)
            .map_err(|error| Problems::unreadable(&error.to_string()))
            .and_then(|text| nearway_config::load(&text, &ProcessEnv, &files))
            .map_err(|problems| problems.named(&self.path.display().to_string()));
        Loaded { config, fingerprint: files.fingerprint() }
    }
}

/// A text file of moderate length.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "is not UTF-8 text");
    String::from_utf8(read_bounded(path)?).map_err(not_text)
}

impl Fingerprint {
    /// The same files as they are now.
    #[must_use]
    pub fn again(&self) -> Self {
        let files = Files::default();
        for path in self.0.keys() {
            // an error is part of the fingerprint
            let _ = files.read(path);
        }
        files.fingerprint()
    }
}

/// Reads files and remembers what it read.
#[derive(Debug, Default)]
struct Files(RefCell<Fingerprint>);

impl Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let read = read_bounded(path);
        let content = match &read {
            Ok(bytes) => {
                let mut hasher = DefaultHasher::new();
                bytes.hash(&mut hasher);
                Ok(hasher.finish())
            }
            Err(error) => Err(error.kind()),
        };
        self.0.borrow_mut().0.insert(path.to_owned(), content);
        read
    }

    fn fingerprint(self) -> Fingerprint {
        self.0.into_inner()
    }
}

impl Secrets for Files {
    fn read(&self, path: &Path) -> Result<String, String> {
        let bytes = Self::read(self, path).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|_not_text| "is not UTF-8 text".to_owned())
    }

    fn usable(&self, pem: &str) -> Result<(), String> {
        TlsTrust::Pem(pem.as_bytes().into()).check().map_err(|error| match error {
            RegionError::Certificate(why) => why,
            other => other.to_string(),
        })
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST {
        let text = format!("is longer than {} MiB", MOST / (1024 * 1024));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Bytes of one file. Thousands of regions fit; a device that never ends does not.
const MOST: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(config: &str) -> (tempfile::TempDir, Source) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nearway.yaml");
        std::fs::write(&path, config).unwrap();
        (folder, Source::new(path))
    }

    fn with_key_file(folder: &tempfile::TempDir) -> PathBuf {
        let key = folder.path().join("key");
        let config = format!(
            "regions: [{{name: a, url: 'https://a.example', api_key: 'file:{}'}}]",
            key.display()
        );
        std::fs::write(folder.path().join("nearway.yaml"), config).unwrap();
        key
    }

    #[test]
    fn a_fingerprint_differs_exactly_when_a_content_does() {
        let (_folder, source) = folder_with("regions: []");
        let first = source.load().fingerprint;
        assert_eq!(first.again(), first);
        std::fs::write(source.path(), "regions: []").unwrap();
        assert_eq!(first.again(), first, "the same text again");
        std::fs::write(source.path(), "regions: [] ").unwrap();
        assert_ne!(first.again(), first);
        std::fs::remove_file(source.path()).unwrap();
        let gone = first.again();
        assert_ne!(gone, first);
        assert_eq!(gone.again(), gone);
    }

    #[test]
    fn a_rotated_secret_counts() {
        let (folder, source) = folder_with("");
        let key = with_key_file(&folder);
        std::fs::write(&key, "one").unwrap();
        let loaded = source.load();
        assert!(loaded.config.is_ok(), "{:?}", loaded.config);
        std::fs::write(&key, "two").unwrap();
        assert_ne!(loaded.fingerprint.again(), loaded.fingerprint);
    }

    #[test]
    fn a_problem_names_the_file_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("missing.yaml"), folder.path().to_owned()] {
            let problem = Source::new(path.clone()).load().config.unwrap_err();
            let text = problem.to_string();
            assert!(text.starts_with(&format!("{}: ", path.display())), "{text}");
        }
    }

    #[test]
    fn a_broken_certificate_is_a_problem_of_the_file() {
        let pem = tempfile::NamedTempFile::new().unwrap();
        let block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(pem.path(), block).unwrap();
        let path = pem.path().display();
        let (_folder, source) = folder_with(&format!(
            "regions:\n- name: a\n  url: https://a.example\n  ca_file: {path}\n"
        ));
        let text = source.load().config.unwrap_err().to_string();
        assert!(text.contains(":4: regions[0].ca_file: a certificate here cannot be "), "{text}");
    }

    #[test]
    fn a_file_without_an_end_is_refused() {
        let problem = Source::new("/dev/zero".into()).load().config.unwrap_err();
        assert!(problem.to_string().ends_with("is longer than 16 MiB"), "{problem}");
    }
}
