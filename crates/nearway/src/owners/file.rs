//! The file that owners outlive the process in: a redb database for one process, which a crash leaves whole.
//!
//! A row for each id: where it lives, by a number that the file itself gives to places, and when it was last
//! used as far as that was written. Blocks; the caller knows where that does no harm.

use std::collections::{BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nearway_affinity::Minute;
use redb::backends::FileBackend;
use redb::{
    Builder, Database, Error, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _, TableDefinition, TableHandle as _,
};

use crate::owners::places::Place;

/// An open file. No other process has it.
#[derive(Debug)]
pub(super) struct File {
    database: Database,
    /// As its second table says.
    numbers: HashMap<Place, u32>,
}

/// A file of owners that cannot be used. One line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum OwnersFileError {
    /// It is not there and cannot be made, or it cannot be read or written.
    #[error(
        "state.file: {} cannot be opened ({source}): its folder must be there, and both readable \
         and writable", file.display()
    )]
    Unusable {
        /// As configured.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("state.file: {} is in use by another process: give each one a file of its own", .0.display())]
    InUse(PathBuf),
    /// It is no file of owners.
    #[error("state.file: {} holds something else than owners: name another file", .0.display())]
    Foreign(PathBuf),
    /// What is in it is not what was written.
    #[error(
        "state.file: {} is damaged ({why}): move it away, then Nearway asks the regions again",
        file.display()
    )]
    Damaged {
        /// As configured.
        file: PathBuf,
        /// What was found.
        why: String,
    },
}

/// What is to be written of an id: where it lives and when it was used; `None`: it is forgotten.
pub(super) type Change<'p> = (u128, Option<(&'p Place, Minute)>);

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Removed {
    /// Ids that are no longer there.
    pub(super) gone: u64,
    /// Ids that still are.
    pub(super) left: u64,
}

impl File {
    /// Opens it, or makes an empty one for its owner alone. All of it is looked at, so that damage is found now.
    pub(super) fn open(path: &Path) -> Result<Self, OwnersFileError> {
        let unusable = |source| OwnersFileError::Unusable { file: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY);
        let file = options.open(path).map_err(unusable)?;
        if !file.metadata().map_err(unusable)?.is_file() {
            return Err(OwnersFileError::Foreign(path.to_owned()));
        }
        let named = |error| named(path, error);
        let backend = FileBackend::new(file).map_err(|error| named(error.into()))?;
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create_with_backend(backend)
            .map_err(|error| named(error.into()))?;
        let mut file = Self { database, numbers: HashMap::new() };
        if !file.is_ours().map_err(named)? {
            return Err(OwnersFileError::Foreign(path.to_owned()));
        }
        file.read_numbers().map_err(named)?;
        Ok(file)
    }

    /// Tells each id with its place and its last use.
    pub(super) fn read(
        &self,
        path: &Path,
        mut each: impl FnMut(u128, &Place, Minute),
    ) -> Result<(), OwnersFileError> {
        let places: HashMap<u32, &Place> = self.numbers.iter().map(|(p, n)| (*n, p)).collect();
        let mut read = || -> Result<(), Error> {
            let owners = self.database.begin_read()?.open_table(OWNERS)?;
            for row in owners.iter()? {
                let (id, owner) = row?;
                let (number, minute) = owner.value();
                if let Some(place) = places.get(&number) {
                    each(id.value(), place, Minute(minute));
                }
            }
            Ok(())
        };
        read().map_err(|error| named(path, error))
    }

    /// Writes all of this or nothing; tells how many ids there are then. After an error the file is to be
    /// opened anew.
    pub(super) fn write<'p>(
        &mut self,
        changes: impl Iterator<Item = Change<'p>>,
    ) -> Result<u64, Error> {
        let transaction = self.database.begin_write()?;
        let mut owners = transaction.open_table(OWNERS)?;
        let mut places = transaction.open_table(PLACES)?;
        for (id, owner) in changes {
            let Some((place, minute)) = owner else {
                owners.remove(id)?;
                continue;
            };
            let number = match self.numbers.get(place) {
                Some(number) => *number,
                None => {
                    let number = self.numbers.values().max().map_or(0, |last| last + 1);
                    places.insert(number, (place.name.as_str(), place.url))?;
                    self.numbers.insert(place.clone(), number);
                    number
                }
            };
            owners.insert(id, (number, minute.0))?;
        }
        let count = owners.len()?;
        drop((owners, places));
        transaction.commit()?;
        Ok(count)
    }

    /// Removes what `keep` says no to, and places that nothing is left in.
    pub(super) fn retain(
        &mut self,
        mut keep: impl FnMut(u128, Minute) -> bool,
    ) -> Result<Removed, Error> {
        let transaction = self.database.begin_write()?;
        let mut owners = transaction.open_table(OWNERS)?;
        let mut places = transaction.open_table(PLACES)?;
        let (before, mut used) = (owners.len()?, BTreeSet::new());
        owners.retain(|id, (number, minute)| {
            let keeps = keep(id, Minute(minute));
            if keeps {
                used.insert(number);
            }
            keeps
        })?;
        let left = owners.len()?;
        places.retain(|number, _| used.contains(&number))?;
        drop((owners, places));
        if left == before {
            transaction.abort()?;
        } else {
            transaction.commit()?;
            self.numbers.retain(|_, number| used.contains(number));
        }
        Ok(Removed { gone: before - left, left })
    }

    /// Whether it has our tables, and has them from now on: an empty one gets them.
    fn is_ours(&self) -> Result<bool, Error> {
        let transaction = self.database.begin_write()?;
        let names = [OWNERS.name(), PLACES.name()];
        let mut tables = transaction.list_tables()?;
        if tables.any(|table| !names.contains(&table.name())) {
            return Ok(false);
        }
        drop(tables);
        let opened = transaction.open_table(OWNERS).map(drop);
        match opened.and_then(|()| transaction.open_table(PLACES).map(drop)) {
            Ok(()) => transaction.commit()?,
            Err(redb::TableError::Storage(error)) => return Err(error.into()),
            Err(_of_another_shape) => return Ok(false),
        }
        Ok(true)
    }

    fn read_numbers(&mut self) -> Result<(), Error> {
        let places = self.database.begin_read()?.open_table(PLACES)?;
        for row in places.iter()? {
            let (number, place) = row?;
            let (name, url) = place.value();
            self.numbers.insert(Place { name: name.to_owned(), url }, number.value());
        }
        Ok(())
    }
}

fn named(path: &Path, error: Error) -> OwnersFileError {
    let file = path.to_owned();
    match error {
        Error::DatabaseAlreadyOpen => OwnersFileError::InUse(file),
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            OwnersFileError::Foreign(file)
        }
        Error::Io(source) => OwnersFileError::Unusable { file, source },
        other => OwnersFileError::Damaged { file, why: other.to_string() },
    }
}

/// Id -> number of its place, and the minute of its last use.
const OWNERS: TableDefinition<'_, u128, (u32, u32)> = TableDefinition::new("nearway_owners");
/// Number of a place -> its region's name and the digest of its URL.
const PLACES: TableDefinition<'_, u32, (&str, u128)> = TableDefinition::new("nearway_places");

/// Bytes of memory for pages of the file. Owners are read once and then only written.
const CACHE_BYTES: usize = 8 << 20;
const OWNER_ONLY: u32 = 0o600;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn place(name: &str) -> Place {
        Place { name: name.to_owned(), url: 7 }
    }

    fn rows(file: &File) -> Vec<(u128, String, u32)> {
        let mut rows = Vec::new();
        file.read(Path::new(""), |id, place, minute| {
            rows.push((id, place.name.clone(), minute.0));
        })
        .unwrap();
        rows
    }

    fn refusal(path: &Path) -> String {
        File::open(path).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_there_after_the_file_was_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owners.redb");
        let (a, b) = (place("a"), place("b"));
        let mut file = File::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let first = [(1, Some((&a, Minute(5)))), (2, Some((&b, Minute(6)))), (3, None)];
        assert_eq!(file.write(first.into_iter()).unwrap(), 2);
        let second = [(1, Some((&b, Minute(7)))), (2, None), (u128::MAX, Some((&a, Minute(8))))];
        assert_eq!(file.write(second.into_iter()).unwrap(), 2);
        drop(file);
        let mut file = File::open(&path).unwrap();
        let expected = [(1, "b".to_owned(), 7), (u128::MAX, "a".to_owned(), 8)];
        assert_eq!(rows(&file), expected);
        // a place keeps its number over the restart
        let third = [(4, Some((&b, Minute(9))))];
        file.write(third.into_iter()).unwrap();
        assert_eq!(rows(&file)[1], (4, "b".to_owned(), 9));
        assert_eq!(file.numbers.len(), 2);
    }

    #[test]
    fn what_is_removed_takes_its_place_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owners.redb");
        let (a, b) = (place("a"), place("b"));
        let mut file = File::open(&path).unwrap();
        let ids = 0..10_u32;
        let change = |id: u32| (id.into(), Some((if id < 3 { &a } else { &b }, Minute(id))));
        file.write(ids.map(change)).unwrap();
        assert_eq!(file.retain(|_, _| true).unwrap(), Removed { gone: 0, left: 10 });
        let kept = file.retain(|id, minute| id != 5 && minute >= Minute(3)).unwrap();
        assert_eq!(kept, Removed { gone: 4, left: 6 });
        drop(file);
        let file = File::open(&path).unwrap();
        assert!(file.numbers.contains_key(&b) && !file.numbers.contains_key(&a));
        assert_eq!(rows(&file).len(), 6);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_told_why_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let wanted = "cannot be opened (No such file or directory (os error 2)): its folder";
        assert!(refusal(&path("none/owners.redb")).contains(wanted));
        assert!(refusal(folder.path()).contains("cannot be opened (Is a directory"));

        let text = "regions: []\n".repeat(2000);
        fs::write(path("nearway.yaml"), &text).unwrap();
        let said = refusal(&path("nearway.yaml"));
        assert!(said.ends_with("holds something else than owners: name another file"), "{said}");
        assert_eq!(fs::read_to_string(path("nearway.yaml")).unwrap(), text);

        let other = Database::create(path("other.redb")).unwrap();
        let transaction = other.begin_write().unwrap();
        drop(transaction.open_table(TableDefinition::<u8, u8>::new("theirs")).unwrap());
        transaction.commit().unwrap();
        assert!(refusal(&path("other.redb")).contains("is in use by another process"));
        drop(other);
        assert!(refusal(&path("other.redb")).contains("holds something else than owners"));
    }

    #[test]
    fn damage_is_found_when_the_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owners.redb");
        let a = place("a");
        let mut file = File::open(&path).unwrap();
        file.write((0..2000_u128).map(|id| (id, Some((&a, Minute(1)))))).unwrap();
        drop(file);
        let whole = fs::read(&path).unwrap();
        // the second page on: rows, or what leads to them
        let mut bytes = whole.clone();
        bytes.iter_mut().skip(4096).step_by(64).for_each(|byte| *byte ^= 0xff);
        fs::write(&path, &bytes).unwrap();
        let said = refusal(&path);
        assert!(said.contains(" is damaged (") && !said.contains('\n'), "{said}");
        for length in [whole.len() / 2, 5000, 100] {
            fs::write(&path, &whole[..length]).unwrap();
            let said = refusal(&path);
            assert!(said.starts_with("state.file: ") && !said.contains('\n'), "{length}: {said}");
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(rows(&File::open(&path).unwrap()).len(), 2000);
    }
}
