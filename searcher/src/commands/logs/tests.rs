use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bandmaster_record::{Cause, Epoch, Execution, JournalId, Nonce, Number, Phase, SearcherRecord, SlotRecord, Usage};

use super::*;
use crate::fixture::{Fixture, parse};

fn printed(fixture: &Fixture, arguments: &[&str]) -> Result<String, Failure> {
    let mut out = Vec::new();
    run(&parse(arguments), &fixture.campaign, &mut out).map(|_| fixture.stable(&out))
}

fn says(attempt: &str, rung: u32, lines: std::ops::RangeInclusive<u32>) -> String {
    lines.map(|line| format!("{attempt} at rung {rung} says line {line}\n")).collect()
}

#[test]
fn the_newest_attempts_log_is_printed_as_it_is() {
    let finished = Fixture::finished();
    assert_eq!(printed(&finished, &["1"]).unwrap(), says("1.3", 2, 1..=5));
    assert_eq!(printed(&finished, &["digits-1/14.1"]).unwrap(), says("14.1", 0, 1..=5));
    assert_eq!(printed(&finished, &["14", "-n", "2"]).unwrap(), says("14.2", 0, 4..=5));
}

#[test]
fn all_attempts_come_in_order_under_headings() {
    let text = printed(&Fixture::finished(), &["1", "--all", "-n1"]).unwrap();
    let of = |attempt: &str, rung| format!("==> digits-1/{attempt} on node7 <==\n{}", says(attempt, rung, 5..=5));
    assert_eq!(text, [of("1.1", 0), of("1.2", 1), of("1.3", 2)].join("\n"));
}

#[test]
fn a_log_that_is_not_there_is_not_found() {
    let running = Fixture::running(0);
    assert_eq!(printed(&running, &["7"]).unwrap_err().kind, FailureKind::NotFound);
    let finished = Fixture::finished();
    let sweep: SweepId = "digits-1".parse().unwrap();
    for slot in std::fs::read_dir(finished.campaign.sweep(&sweep).slots()).unwrap() {
        let _ = std::fs::remove_file(slot.unwrap().path().join("3.1.log"));
    }
    let failure = printed(&finished, &["3"]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert!(failure.report.to_string().contains("3.1.log"));
}

#[test]
fn following_a_trial_that_is_over_ends_at_once() {
    assert_eq!(printed(&Fixture::finished(), &["4", "-f", "-n1"]).unwrap(), says("4.2", 0, 5..=5));
}

/// What another thread prints, so far.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn wait_for(&self, text: &str) {
        let begun = Instant::now();
        while !String::from_utf8_lossy(&self.0.lock().unwrap()).ends_with(text) {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{:?} never came: {:?}",
                text,
                String::from_utf8_lossy(&self.0.lock().unwrap())
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn following_goes_on_into_the_next_attempt_and_ends_with_the_trial() {
    let running = Fixture::running(12);
    let sweep: SweepId = "digits-1".parse().unwrap();
    let slot = SlotId::new("100_0.01JDXXXXXXXXXXXXXXXXXXXXX0").unwrap();
    let journal = JournalId::Slot(sweep.clone(), slot.clone());
    let second = AttemptRef { trial: TrialId(5), rung: RungNo(1), grant: Grant(1), attempt: AttemptNo(2) };
    let third = AttemptRef { grant: Grant(2), attempt: AttemptNo(3), ..second };
    let log = |attempt: &AttemptRef| running.campaign.sweep(&sweep).log(&slot, attempt);
    let append = |attempt: &AttemptRef, text: &str| {
        std::fs::OpenOptions::new().append(true).create(true).open(log(attempt)).unwrap().write_all(text.as_bytes()).unwrap();
    };
    let ended = |attempt| SlotRecord::AttemptEnded {
        attempt,
        cause: Cause::WrongExit,
        exit_code: Some(1),
        signal: None,
        detail: "exited with 1".into(),
        result: None::<Number>,
        checkpointed: None,
        usage: Usage::default(),
    };
    let out = Shared::default();
    std::thread::scope(|scope| {
        let (campaign, mut writer) = (&running.campaign, out.clone());
        let follower = scope.spawn(move || run(&parse(&["5", "-f"]), campaign, &mut writer).map(|exit| exit.code()));
        out.wait_for("says line 5\n");
        append(&second, "a line, and a half");
        out.wait_for("a line, and a half");
        append(&second, ", and its rest\n");
        running.append(&journal, ended(second));
        out.wait_for(", and its rest\n");
        running.append(&JournalId::Searcher(Epoch(1)), SearcherRecord::Granted { sweep: sweep.clone(), attempt: third });
        append(&third, "once more\n");
        let started = SlotRecord::AttemptStarted {
            attempt: third,
            nonce: Nonce::new("N").unwrap(),
            resumed_from: None,
            checkpoint: None,
            passed_over: Vec::new(),
            execution: Box::new(Execution::default()),
        };
        running.append(&journal, started);
        out.wait_for("\n==> digits-1/5.3 on node7 <==\nonce more\n");
        append(&third, "the last line\n");
        running.append(&journal, ended(third));
        let phase = SearcherRecord::PhaseChanged { sweep: sweep.clone(), phase: Phase::Cancelled, why: "asked".into() };
        running.append(&JournalId::Searcher(Epoch(1)), phase);
        assert_eq!(follower.join().unwrap().unwrap(), 0);
    });
    out.wait_for("once more\nthe last line\n");
}

#[test]
fn a_reader_that_leaves_ends_the_following() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let failure = run(&parse(&["5", "-f"]), &Fixture::running(12).campaign, &mut Gone).unwrap_err();
    assert!(failure.is_closed_pipe());
}
