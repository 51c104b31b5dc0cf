//! The file itself: appears whole or not at all, is for nobody else, and has a bound.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::announce::beside;

/// Bytes of a file: some five thousand estimates.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// Writes `text` into `file`, replacing what was there, for its owner alone.
///
/// # Errors
/// Those of the file system, a text that is too long, and a file that holds something else: a slip in the
/// configuration must not cost a key. Then `file` is as it was.
pub(super) fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    if text.len() > MAX_BYTES {
        return Err(too_large());
    }
    if !is_ours(file)? {
        let message = "holds something else than a snapshot: name another file";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    let beside = beside(file);
    // of a process with the same number that was killed; never followed, if somebody made it a link
    let _ = fs::remove_file(&beside);
    write(&beside, text).and_then(|()| fs::rename(&beside, file)).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })?;
    // else a power cut may undo the renaming
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Whether it may be replaced: not there, empty, or a snapshot of whatever version, whole or not.
fn is_ours(file: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    let most = u64::try_from(START.len()).unwrap_or(u64::MAX);
    match File::open(file) {
        Ok(file) => file.take(most).read_to_end(&mut start)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    Ok(START.starts_with(&start))
}

fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(file)?;
    file.write_all(text)?;
    file.sync_all()
}

/// What `file` holds.
///
/// # Errors
/// Those of the file system, and a file that is too large or none.
pub(super) fn read(file: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no file"));
    }
    let mut text = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    File::open(file)?.take(most.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() > MAX_BYTES { Err(too_large()) } else { Ok(text) }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {MAX_BYTES} bytes"))
}

/// What every snapshot begins with.
const START: &[u8] = b"{\"nearway_snapshot\":";
const OWNER_ONLY: u32 = 0o600;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const OLD: &[u8] = b"{\"nearway_snapshot\":0,\"cut\":";
    const NEW: &[u8] = b"{\"nearway_snapshot\":1}";

    #[test]
    fn a_file_of_somebody_else_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nearway.yaml");
        for (text, expected) in
            [("regions: []", false), ("{\"a\":1}", false), ("", true), ("{\"nearway_s", true)]
        {
            fs::write(&file, text).unwrap();
            assert_eq!(replace(&file, NEW).is_ok(), expected, "{text}");
            assert_eq!(read(&file).unwrap() == NEW, expected, "{text}");
        }
    }

    #[test]
    fn the_file_is_replaced_for_its_owner_alone_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("learned.json");
        fs::write(&file, OLD).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(beside(&file), "left over").unwrap();
        replace(&file, NEW).unwrap();
        assert_eq!(read(&file).unwrap(), NEW);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_fails_leaves_the_file_as_it_was_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("learned.json");
        replace(&file, OLD).unwrap();
        let long = vec![b' '; MAX_BYTES + 1];
        assert_eq!(replace(&file, &long).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&file).unwrap(), OLD);
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(replace(&taken, NEW).is_err() && read(&taken).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);

        fs::write(&file, &long).unwrap();
        assert_eq!(read(&file).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
