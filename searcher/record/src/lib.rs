//! What Bandmaster writes down.
//!
//! Everything that two processes of Bandmaster ever tell each other passes through a file on the shared file
//! system, and every such file holds types of this crate: ids, units, the records of the journals, the files of the
//! contract between searcher and slot, and the frame in which a record lies on disk. The crate is pure: no clock, no
//! files, no environment, so that what a byte means never depends on where it is read.

mod command;
mod frame;
mod ids;
mod number;
mod order;
mod searcher;
mod segment;
mod slot;
mod units;

pub use command::{Argument, Command, CommandError, Placeholders};
pub use frame::{Envelope, Frame, FrameError, Record, decode_frame, encode_frame};
pub use ids::{
    ArrayNo, AttemptNo, AttemptRef, Epoch, Grant, IdError, JobId, JournalId, Nonce, RequestId, RungNo, SlotId, SweepId, TrialId,
    checked_name,
};
pub use number::{Number, Param, Params};
pub use order::{Goal, Standing, rank};
pub use searcher::{Phase, Ranked, Request, Sealed, SearcherRecord, Seen};
pub use segment::{ArrayFile, Claim, ClusterKind, LineageStep, MetricSource, Offers, Segment, Submission, TrialSettings};
pub use slot::{Cause, Execution, Host, PassedOver, SlotRecord, Surroundings, Usage};
pub use units::{Resource, Seconds, Timestamp};

/// The version that every record carries. It grows when an old reader would misread a new record.
pub const RECORD_VERSION: u32 = 1;
