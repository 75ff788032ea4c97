//! The verbs of `bandmaster`, one a file: plain arguments in, text to a writer out, an exit code or a failure back.

pub mod ask;
pub mod best;
pub mod check;
pub mod completions;
pub mod explain;
pub mod ledger;
pub mod logs;
pub mod man;
pub mod metrics;
pub mod new;
pub mod plan;
pub mod run;
pub mod rungs;
pub mod serve;
pub mod show;
pub mod status;
pub mod submit;
pub mod tick;
pub mod trials;
pub mod wait;
