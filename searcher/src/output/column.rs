//! A column: its name, which is the same in every format, what its values are, and where it is shown unasked.

use std::borrow::Cow;

/// What a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Texts.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers, NaN and infinities among them.
    Number,
    /// Points in time.
    Time,
    /// Seconds.
    Duration,
    /// Sizes in bytes.
    Bytes,
    /// Yes or no.
    Flag,
    /// JSON: a configuration, a list.
    Json,
    /// Whatever the query gives.
    Any,
}

impl Kind {
    /// Whether a table aligns it to the right.
    pub(super) fn is_right(self) -> bool {
        matches!(self, Self::Integer | Self::Number | Self::Duration | Self::Bytes)
    }

    /// Whether a table may break its values into lines.
    pub(super) fn may_wrap(self) -> bool {
        matches!(self, Self::Text | Self::Json | Self::Any)
    }
}

/// Where a column is shown that nobody asked for by its name. Asked for, it is shown everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// In tables for people.
    pub(super) table: bool,
    /// In CSV, and between bars.
    pub(super) flat: bool,
    /// In JSON.
    pub(super) json: bool,
}

impl Shown {
    /// Everywhere.
    pub const EVERYWHERE: Self = Self { table: true, flat: true, json: true };
    /// Where programs read.
    pub const PROGRAMS: Self = Self { table: false, flat: true, json: true };
    /// Where people read.
    pub const TABLES: Self = Self { table: true, flat: false, json: false };
    /// Where a value may have parts.
    pub const WHOLE: Self = Self { table: true, flat: false, json: true };
    /// Where a value has no parts.
    pub const FLAT: Self = Self { table: false, flat: true, json: false };
}

/// One column of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name: the header, the key in JSON, and what `-o` takes.
    pub name: Cow<'static, str>,
    /// What its values are.
    pub kind: Kind,
    /// Where it is shown.
    pub shown: Shown,
}

impl Column {
    /// A column that is shown everywhere.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: Kind) -> Self {
        Self { name: name.into(), kind, shown: Shown::EVERYWHERE }
    }

    /// The same, shown there.
    pub fn shown(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }
}
