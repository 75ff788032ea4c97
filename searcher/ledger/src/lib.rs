//! The ledger: a SQLite file folded from a campaign's journals, made for people who ask questions.
//!
//! The journals are the truth, and the ledger is their fold: it can be thrown away and made anew, row for row. The
//! holder of the lease alone writes one, for itself; readers get a published copy, and see what the journals say beyond
//! it. `docs/ledger.md` has every table and column.

mod check;
mod compare;
mod error;
mod facts;
mod fold;
mod publish;
mod reader;
mod rebuild;
mod rows;
mod schema;
mod store;
mod transaction;
mod value;

pub use check::{Finding, Report, check};
pub use compare::{Difference, same_rows};
pub use error::LedgerError;
pub use fold::{Folded, Listener, fold};
pub use publish::{CRASH_POINTS, Staged};
pub use reader::{Freshness, Reader, refuse_newer};
pub use rebuild::rebuild;
pub use schema::{APPLICATION_ID, SCHEMA_VERSION};
pub use store::Ledger;
pub use transaction::Transaction;
pub use value::time;
