//! Tells a starter which addresses were bound: one small JSON file that appears whole or not at all.
//!
//! Written by `serve --announce FILE` once every worker serves. Never read here.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Writes `{"listen":"…","admin":"…"}` to `file`, replacing what was there.
///
/// # Errors
/// Those of the file system; then `file` is as it was.
pub(crate) fn announce(file: &Path, listen: SocketAddr, admin: SocketAddr) -> io::Result<()> {
    let text = serde_json::json!({"listen": listen.to_string(), "admin": admin.to_string()});
    let beside = beside(file);
    std::fs::write(&beside, format!("{text}\n"))?;
    std::fs::rename(&beside, file).inspect_err(|_| {
        let _ = std::fs::remove_file(&beside);
    })
}

/// In the same folder, because a rename is atomic only within one file system.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    file.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("addresses.json");
        std::fs::write(&file, "old").unwrap();
        announce(&file, ([127, 0, 0, 1], 8080).into(), ([127, 0, 0, 1], 8081).into()).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({"listen": "127.0.0.1:8080", "admin": "127.0.0.1:8081"});
        assert_eq!(read, expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("missing").join("addresses.json");
        let address = ([127, 0, 0, 1], 1).into();
        assert_eq!(announce(&file, address, address).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_cannot_be_replaced_leaves_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("taken");
        std::fs::create_dir(&file).unwrap();
        std::fs::write(file.join("inside"), "").unwrap();
        let address = ([127, 0, 0, 1], 1).into();
        assert!(announce(&file, address, address).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
