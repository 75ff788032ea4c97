//! From records to rows. Rows derive from records alone, in the one order there is, and every statement is written so
//! that a record that is applied again changes nothing.

mod journals;
mod searcher;
mod slot;
mod sweep;
mod words;

pub(crate) use journals::{SlotJournal, close_journal, journal_number};
pub(crate) use searcher::searcher;
pub(crate) use slot::slot;
