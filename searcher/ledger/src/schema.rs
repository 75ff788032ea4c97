//! The schema and its version. A ledger of another version is never migrated: older ones are rebuilt from the journals,
//! which say all of it again, and newer ones are left to the newer build.

use std::path::Path;

use rusqlite::Connection;

use crate::LedgerError;

/// What `PRAGMA application_id` says of a ledger: "bmlg" in ASCII. `file` and others tell by it what the file is.
pub const APPLICATION_ID: i64 = 0x626d_6c67;

/// What `PRAGMA user_version` says of a ledger that this build writes. It grows with every change of the schema, or of
/// what stands in a column.
pub const SCHEMA_VERSION: i64 = 2;

const TABLES: &str = include_str!("schema.sql");
const VIEWS: &str = include_str!("views.sql");

/// Makes the schema in an empty database: all of it or nothing.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute_batch(VIEWS)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Refuses what is no ledger, and a ledger of another version.
pub(crate) fn verify(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(LedgerError::at("open", path));
    let id = pragma("application_id")?;
    let found = pragma("user_version")?;
    let path = path.to_owned();
    if id != APPLICATION_ID {
        return Err(LedgerError::NotALedger { path, why: format!("its application id is {id:#010x}, not {APPLICATION_ID:#010x}") });
    }
    match found {
        _ if found > SCHEMA_VERSION => Err(LedgerError::Newer { path, found, known: SCHEMA_VERSION }),
        _ if found < SCHEMA_VERSION => Err(LedgerError::Older { path, found, known: SCHEMA_VERSION }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_strict() {
        let connection = Connection::open_in_memory().unwrap();
        create(&connection).unwrap();
        let loose: Vec<String> = connection
            .prepare(
                "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND name NOT LIKE 'sqlite_%' AND NOT strict",
            )
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(loose.is_empty(), "{loose:?}");
    }

    #[test]
    fn every_view_can_be_read() {
        let connection = Connection::open_in_memory().unwrap();
        create(&connection).unwrap();
        for view in ["best", "curves", "rung_table"] {
            connection.query_row(&format!("SELECT count(*) FROM {view}"), [], |row| row.get::<_, i64>(0)).unwrap();
        }
    }

    #[test]
    fn other_versions_and_other_files_are_refused() {
        let connection = Connection::open_in_memory().unwrap();
        let path = Path::new("ledger.db");
        assert!(matches!(verify(&connection, path), Err(LedgerError::NotALedger { .. })));
        create(&connection).unwrap();
        assert!(verify(&connection, path).is_ok());
        connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        assert!(matches!(verify(&connection, path), Err(LedgerError::Newer { found, .. }) if found == SCHEMA_VERSION + 1));
        connection.pragma_update(None, "user_version", SCHEMA_VERSION - 1).unwrap();
        assert!(matches!(verify(&connection, path), Err(LedgerError::Older { .. })));
    }
}
