//! `bandmaster explain`: why a trial, a rung or a sweep is where it is, and what happens next, in sentences.

use std::io::Write;

use bandmaster_journal::Campaign;

use crate::failure::{Exit, Failure};
use crate::output::{PageFormat, PageLayout, write_json};
use crate::reading;

mod cause;
mod facts;
mod page;
mod sweep;
mod trial;
mod what;

pub use what::{What, WhatError};

/// What, and how to print it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A trial (digits-1/42, or 42 of the newest sweep), one attempt of it (42.2), a rung (digits-1/b4r0: rung 0 of bracket 4), or a sweep (digits-1)
    #[arg(value_name = "WHAT")]
    pub what: What,
    /// How to print it.
    #[command(flatten)]
    pub format: PageFormat,
}

/// Prints it.
///
/// # Errors
/// There is no such thing; the ledger cannot be read; the output cannot be written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = reading::open(campaign)?;
    let db = reader.connection();
    let (key, told) = match &args.what {
        What::Trial(name) => {
            let sweep = reading::trial(campaign, db, name)?;
            let mut told = trial::explain(&facts::trial(db, &sweep, name.trial)?);
            if let Some(attempt) = name.attempt {
                told.keep("attempts", |known| known.get("attempt") == i64::from(attempt.0).into());
            }
            ("trial", vec![told])
        }
        What::Rung { sweep, bracket, rung } => {
            let sweep = reading::sweep(campaign, db, sweep.as_deref())?;
            ("rungs", sweep::rungs(db, &sweep, *bracket, *rung)?)
        }
        What::Sweep(typed) => {
            let sweep = reading::sweep(campaign, db, Some(typed))?;
            ("sweep", vec![sweep::explain(db, &sweep)?])
        }
    };
    match (args.format.format, told.as_slice()) {
        (PageLayout::Json, [one]) if key != "rungs" => write_json(key, one, out)?,
        (PageLayout::Json, all) => write_json(key, &all, out)?,
        (PageLayout::Table, all) => {
            for told in all {
                let page = if key == "trial" { page::trial(told) } else { page::other(told) };
                page.write(args.format.screen, true, out)?;
            }
        }
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use bandmaster_record::{ArrayNo, Epoch, Host, JobId, JournalId, Nonce, Phase, SearcherRecord, Seconds, Seen, Timestamp};

    use crate::failure::FailureKind;
    use crate::fixture::{Fixture, printed, ran, try_parse};

    #[test]
    fn a_trial_that_was_promoted_is_told_with_its_places() {
        insta::assert_snapshot!(printed!(explain, Fixture::finished(), ["1"]));
    }

    #[test]
    fn a_failed_trial_is_told_attempt_by_attempt_with_what_each_cost() {
        insta::assert_snapshot!(printed!(explain, Fixture::finished(), ["digits-1/4"]));
    }

    #[test]
    fn a_time_limit_with_a_checkpoint_costs_nothing() {
        let text = printed!(explain, Fixture::finished(), ["digits/14.1"]);
        assert!(text.contains("nothing: it brought a further checkpoint"), "{text}");
        assert!(text.contains("furthest checkpoint is at 4") && !text.contains("14.2"), "{text}");
    }

    #[test]
    fn a_stopped_trial_names_its_place_and_how_many_go_on() {
        let text = printed!(explain, Fixture::finished(), ["0"]);
        assert!(text.contains("of 9, of which 3 go on, at rung 0, at 1 (epoch): others were better"), "{text}");
        assert!(text.contains("trained no further"), "{text}");
    }

    #[test]
    fn a_running_trial_says_where_and_what_its_rung_misses() {
        insta::assert_snapshot!(printed!(explain, Fixture::running(12), ["5"]));
    }

    #[test]
    fn a_trial_that_is_in_waits_for_the_others_of_its_rung() {
        let json = printed!(explain, Fixture::running(12), ["1", "--format", "json"]);
        let trial = &serde_json::from_str::<serde_json::Value>(&json).unwrap()["trial"];
        assert_eq!(trial["now"], "it is in at rung 1, with val_loss 0.2061 at 3 (epoch), and waits for the others of its rung");
        let next = "rung 1 is decided when all 3 of its trials are in, and 2 are missing; then the best 1 go on";
        assert_eq!((&trial["next"], &trial["retries_left"]), (&next.into(), &1.into()));
        assert_eq!(trial["attempts"][0]["cause"], "completed");
        assert!(trial["attempts"][0]["costs"].is_null());
    }

    /// What the searcher writes about an array of the first rung of bracket 1.
    fn on_slurm(states: &[(&str, u32)]) -> Fixture {
        let fixture = Fixture::running(12).on_slurm();
        let (journal, sweep) = (JournalId::Searcher(Epoch(1)), "digits-1".parse::<bandmaster_record::SweepId>().unwrap());
        let array = ArrayNo(7);
        let reserved = (9..14).map(Fixture::first).collect();
        let nonce = Nonce::new("01JDNNNNNNNNNNNNNNNNNNNNN7").unwrap();
        fixture.append(&journal, SearcherRecord::ArrayIntended { sweep: sweep.clone(), array, nonce, tasks: 5, reserved, at_once: None });
        if states.is_empty() {
            let (words, not_before) = ("AssocMaxSubmitJobLimit".into(), Timestamp(0));
            fixture.append(&journal, SearcherRecord::ArrayRefused { sweep, array, words, not_before });
            return fixture;
        }
        fixture.append(&journal, SearcherRecord::ArraySubmitted { sweep: sweep.clone(), array, job: JobId::new("57").unwrap() });
        let states = states.iter().map(|(state, tasks)| ((*state).to_owned(), *tasks)).collect();
        let observer = Host { name: "login1".into(), boot_id: "b007".into() };
        let seen = Seen { states, ..Seen::default() };
        fixture.append(&journal, SearcherRecord::ArraySeen { sweep, array, seen, observer, uptime: Seconds(1.0) });
        fixture
    }

    #[test]
    fn a_trial_that_waits_for_slurm_names_its_task_and_slurms_reason() {
        let text = printed!(explain, on_slurm(&[("PENDING (Priority)", 4), ("RUNNING", 1)]), ["11"]);
        assert!(text.contains("task 57_2 is there for it, of the 5 of array 7"), "{text}");
        assert!(text.contains("4 PENDING (Priority), 1 RUNNING. Priority: jobs with a higher priority come first"), "{text}");
        let held = printed!(explain, on_slurm(&[("PENDING (JobHeldUser)", 5)]), ["digits-1"]);
        assert!(held.contains("`scontrol release 57` lets it go"), "{held}");
    }

    #[test]
    fn a_refused_array_is_told_in_the_sites_words() {
        for what in ["11", "digits-1"] {
            let text = printed!(explain, on_slurm(&[]), [what]);
            assert!(text.contains("Slurm refused array 7 for now") && text.contains("AssocMaxSubmitJobLimit"), "{text}");
        }
    }

    #[test]
    fn a_paused_sweep_says_why_and_what_goes_on() {
        let fixture = Fixture::running(12);
        let why = "paused: the cluster refuses its arrays: Invalid partition".to_owned();
        let paused = SearcherRecord::PhaseChanged { sweep: "digits-1".parse().unwrap(), phase: Phase::Paused, why };
        fixture.append(&JournalId::Searcher(Epoch(1)), paused);
        let text = printed!(explain, fixture, ["11"]);
        let next =
            "nothing while the sweep is paused: the cluster refuses its arrays: Invalid partition; `bandmaster resume digits-1` goes on";
        assert!(text.contains(next), "{text}");
        assert!(printed!(explain, fixture, ["digits"]).contains("nothing until `bandmaster resume digits-1`"));
    }

    #[test]
    fn a_sweep_counts_its_causes_and_a_rung_its_trials() {
        insta::assert_snapshot!(printed!(explain, Fixture::finished(), ["digits-1"]));
        insta::assert_snapshot!(printed!(explain, Fixture::running(12), ["digits-1/b2r1"]));
        assert!(printed!(explain, Fixture::finished(), ["b2r0"]).contains("3 of 9 trials go on (keep 3)"));
    }

    #[test]
    fn what_there_is_not_is_not_found_and_what_is_no_name_is_usage() {
        for what in ["17", "14.3", "b7r0", "numbers"] {
            assert_eq!(ran!(explain, Fixture::finished(), [what]).unwrap_err().kind, FailureKind::NotFound, "{what}");
        }
        assert_eq!(try_parse::<super::Args>(&["digits-1/x"]).unwrap_err().exit_code(), 2);
    }
}
