//! The verbs of `bandmaster`, one a file: plain arguments in, text to a writer out, an exit code or a failure back.

pub mod ask;
pub mod check;
pub mod new;
pub mod plan;
pub mod run;
pub mod serve;
pub mod submit;
pub mod tick;
