//! What lies in a directory, by what its names mean.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use crate::FileError;

/// The names in a directory that mean a `T`, without that ending, in the order of what they mean. What has another
/// ending, or means nothing, is left out: stagings, hidden files, what people put there. A directory that is not there
/// is empty.
pub fn names<T: FromStr + Ord>(directory: &Path, ending: &str) -> Result<Vec<T>, FileError> {
    names_between(directory, "", ending)
}

/// The same for names that begin alike too: the 7 of `work.7.db` stands between `work.` and `.db`.
pub fn names_between<T: FromStr + Ord>(directory: &Path, beginning: &str, ending: &str) -> Result<Vec<T>, FileError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FileError::new("list", directory, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(FileError::at("list", directory))?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_prefix(beginning)?.strip_suffix(ending)?.parse().ok()));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bandmaster_record::Epoch;

    #[test]
    fn only_what_means_something_is_listed_and_in_its_order() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["10.json", "9.json", ".11.json", "12.json.stage", "x.json", "13", "work.7.db", "work.7.db-journal", "work.db"] {
            fs::write(temp.path().join(name), "").unwrap();
        }
        assert_eq!(names::<Epoch>(temp.path(), ".json").unwrap(), [Epoch(9), Epoch(10)]);
        assert_eq!(names::<Epoch>(temp.path(), "").unwrap(), [Epoch(13)]);
        assert_eq!(names_between::<Epoch>(temp.path(), "work.", ".db").unwrap(), [Epoch(7)]);
        assert_eq!(names::<String>(temp.path(), "").unwrap().len(), 9);
    }

    #[test]
    fn what_is_not_there_is_empty_and_what_cannot_be_listed_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        assert!(names::<Epoch>(&temp.path().join("none"), "").unwrap().is_empty());
        fs::write(temp.path().join("file"), "").unwrap();
        assert!(names::<Epoch>(&temp.path().join("file"), "").unwrap_err().to_string().contains("list"));
    }
}
