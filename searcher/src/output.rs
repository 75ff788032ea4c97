//! What commands print: the same rows for a person at a terminal, and for a script, a table program or jq.
//!
//! A listing has named, typed columns. People get numbers that are rounded and a table that fits their terminal;
//! programs get full precision, ISO 8601 and JSON, whose names never change their meaning.

mod cell;
mod column;
mod details;
mod format;
mod listing;
mod machine;
mod people;
mod record;
mod screen;

pub use cell::Cell;
pub use column::{Column, Kind, Shown};
pub use details::Details;
pub use format::{Format, Layout, PageFormat, PageLayout};
pub use listing::{Listing, SCHEMA_VERSION, write_json};
pub use people::{readable_bytes, readable_number, readable_params, readable_seconds, readable_time, visible, with_unit};
pub use record::Record;
pub use screen::Screen;
