//! The commands that read, as processes: what a pipe, a terminal, and a reader that leaves get.

#![cfg(test)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

use bandmaster::cli::Cli;
use bandmaster::{campaignfile, live, submit, sweepfile};
use bandmaster_record::{Epoch, JournalId, Phase, SearcherRecord};
use clap::CommandFactory as _;
use nix::pty::{Winsize, openpty};

#[path = "../src/fixture.rs"]
#[expect(dead_code, unused_macros, unused_imports, reason = "the tests beside the code use the rest")]
mod fixture;

use fixture::Fixture;

fn bandmaster(fixture: &Fixture, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bandmaster"));
    command.env_clear().env("BANDMASTER_CAMPAIGN", fixture.campaign.root()).args(arguments).stdin(Stdio::null());
    command
}

fn output(fixture: &Fixture, arguments: &[&str]) -> Output {
    bandmaster(fixture, arguments).output().unwrap()
}

/// What a terminal of that width shows of the output.
fn on_a_terminal(mut command: Command, columns: u16) -> String {
    command.stderr(Stdio::null());
    shown(command, columns, |command, terminal| command.stdout(terminal))
}

fn shown(mut command: Command, columns: u16, connect: impl Fn(&mut Command, OwnedFd) -> &mut Command) -> String {
    let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None).unwrap();
    let mut child = connect(command.env("TERM", "xterm"), pty.slave).spawn().unwrap();
    drop(command);
    let mut text = Vec::new();
    // A terminal whose last writer left gives an error and not an end.
    let _ = File::from(pty.master).read_to_end(&mut text);
    assert!(child.wait().unwrap().success());
    String::from_utf8(text).unwrap().replace("\r\n", "\n")
}

const READING: &[&[&str]] = &[
    &["status"],
    &["status", "digits"],
    &["trials"],
    &["rungs"],
    &["best"],
    &["best", "-n", "3"],
    &["show", "14"],
    &["explain", "14"],
    &["explain", "digits"],
    &["metrics", "14"],
    &["logs", "14"],
    &["ledger", "check"],
    &["ledger", "sql", "SELECT * FROM trials"],
];

#[test]
fn a_pipe_gets_plain_text_and_nobody_talks_beside_it() {
    let finished = Fixture::finished().publish();
    for arguments in READING {
        let Output { status, stdout, stderr } = output(&finished, arguments);
        assert!(status.success() && stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        assert!(!stdout.is_empty() && !stdout.contains(&0x1b), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let finished = Fixture::finished().publish();
    for arguments in READING.iter().copied().chain([["man"].as_slice(), &["completions", "zsh"]]) {
        let mut child = bandmaster(&finished, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        assert!(status.success() && stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    }
}

#[test]
fn a_terminal_gets_a_bold_header_and_lines_that_fit() {
    let finished = Fixture::finished().publish();
    let wide = on_a_terminal(bandmaster(&finished, &["trials"]), 200);
    assert!(wide.starts_with("\x1b[1m"), "{wide:?}");
    assert_eq!(wide.lines().count(), 18, "{wide}");
    let mut plain = bandmaster(&finished, &["trials"]);
    plain.env("NO_COLOR", "1");
    let narrow = on_a_terminal(plain, 80);
    assert!(!narrow.contains('\x1b'), "{narrow:?}");
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    assert!(narrow.lines().count() > 18, "{narrow}");
}

#[test]
fn logs_are_in_colour_on_a_terminal_alone() {
    let damaged = Fixture::finished();
    let journal = damaged.campaign.journal(&JournalId::Searcher(Epoch(1)));
    OpenOptions::new().append(true).open(journal).unwrap().write_all(b"no frame\n").unwrap();
    let tick = || {
        let mut command = bandmaster(&damaged, &["tick"]);
        command.env("BANDMASTER_LAUNCH", "/bin/sh").stdout(Stdio::null());
        command
    };
    let piped = String::from_utf8(tick().output().unwrap().stderr).unwrap();
    assert!(piped.contains("WARN") && piped.contains("is damaged") && !piped.contains('\x1b'), "{piped:?}");
    let on_stderr = |command| shown(command, 200, |command, terminal| command.stderr(terminal));
    let coloured = on_stderr(tick());
    assert!(coloured.contains("WARN") && coloured.contains('\x1b'), "{coloured:?}");
    let mut plain = tick();
    plain.env("NO_COLOR", "1");
    let plain = on_stderr(plain);
    assert!(plain.contains("WARN") && !plain.contains('\x1b'), "{plain:?}");
}

#[test]
fn h_is_no_header_and_help_is_help() {
    let finished = Fixture::finished().publish();
    let rows = |arguments: &[&str]| String::from_utf8(output(&finished, arguments).stdout).unwrap().lines().count();
    assert_eq!((rows(&["rungs"]), rows(&["rungs", "-h"]), rows(&["rungs", "-Ph"])), (7, 6, 6));
    let help = String::from_utf8(output(&finished, &["rungs", "--help"]).stdout).unwrap();
    assert!(help.contains("-H, --no-header") && help.contains("Usage: bandmaster rungs"), "{help}");
}

#[test]
fn who_waits_hears_the_end_and_its_exit_code() {
    let running = Fixture::running(12);
    let Output { status, stdout, stderr } = output(&running, &["wait", "digits", "--timeout", "50ms", "--poll", "10ms"]);
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(5), "{said}");
    // On a busy machine the time may be over when it has looked for the first time.
    assert!(stdout.is_empty() && said.contains("digits-1 is running; waited "), "{said}");

    let mut waiting = bandmaster(&running, &["wait", "digits-1", "--poll", "10ms"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut talk = BufReader::new(waiting.stderr.take().unwrap()).lines();
    assert!(talk.next().unwrap().unwrap().starts_with("waiting for digits-1; this drives nothing"));
    let phase = |phase, why: &str| SearcherRecord::PhaseChanged { sweep: "digits-1".parse().unwrap(), phase, why: why.into() };
    running.append(&JournalId::Searcher(Epoch(1)), phase(Phase::Paused, "asked"));
    assert_eq!(waiting.wait().unwrap().code(), Some(5));
    assert!(talk.next().unwrap().unwrap().starts_with("digits-1 is paused"));
    running.append(&JournalId::Searcher(Epoch(1)), phase(Phase::Finished, "every bracket is decided"));
    assert_eq!(output(&running, &["wait", "digits-1"]).status.code(), Some(9), "one trial failed");
    assert_eq!(output(&running, &["wait", "numbers"]).status.code(), Some(4));
    assert_eq!(output(&running, &["wait", "digits", "--timeout", "10"]).status.code(), Some(2));
}

#[test]
fn nothing_is_asked_of_a_sweep_that_is_over() {
    let finished = Fixture::finished().publish();
    for ask in ["pause", "resume", "cancel"] {
        let Output { status, stdout, .. } = output(&finished, &[ask, "digits"]);
        let said = String::from_utf8(stdout).unwrap();
        assert!(status.success() && said.starts_with("digits-1 is finished") && said.ends_with("nothing was asked for\n"), "{said}");
    }
    assert_eq!(std::fs::read_dir(finished.campaign.requests()).unwrap().count(), 0);
}

#[test]
fn every_verb_has_its_page_and_is_completed() {
    let fixture = Fixture::empty();
    let verbs: Vec<String> = Cli::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let pages = fixture.campaign.root().join("man/man1");
    assert!(output(&fixture, &["man", pages.to_str().unwrap()]).status.success());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = String::from_utf8(output(&fixture, &["completions", shell]).stdout).unwrap();
        let missing: Vec<_> = verbs.iter().filter(|verb| !script.contains(verb.as_str())).collect();
        assert!(missing.is_empty(), "{shell}: {missing:?}");
    }
    let page = String::from_utf8(output(&fixture, &["man"]).stdout).unwrap();
    assert_eq!(page, std::fs::read_to_string(pages.join("bandmaster.1")).unwrap());
    for verb in verbs {
        let page = std::fs::read_to_string(pages.join(format!("bandmaster-{verb}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH DESCRIPTION"), "{page}");
    }
    assert_eq!(output(&fixture, &["man", "/proc/nowhere"]).status.code(), Some(11));
    assert_eq!(output(&fixture, &["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn exit_codes_tell_scripts_what_is_wrong() {
    let finished = Fixture::finished().publish();
    let code = |arguments: &[&str]| output(&finished, arguments).status.code();
    for (arguments, expected) in [
        (["trials", "numbers"].as_slice(), 4),
        (&["show", "99"], 4),
        (&["show", "digits"], 2),
        (&["explain", "digits-1/x"], 2),
        (&["explain", "99"], 4),
        (&["trials", "-o", "vlaue"], 2),
        (&["trials", "--format", "yaml"], 2),
        (&["ledger", "sql", "SELECT nothing"], 2),
        (&["status", "--campaign", "/nonexistent/campaign"], 4),
        (&["ledger", "rebuild"], 0),
        (&["ledger", "check"], 0),
    ] {
        assert_eq!(code(arguments), Some(expected), "{arguments:?}");
    }
    let db = rusqlite::Connection::open(finished.campaign.ledger()).unwrap();
    db.execute_batch("DELETE FROM checkpoints").unwrap();
    assert_eq!(code(&["ledger", "check"]), Some(8));
    db.pragma_update(None, "user_version", 1_000_000).unwrap();
    drop(db);
    for arguments in [["status"].as_slice(), &["ledger", "check"]] {
        let Output { status, stderr, .. } = output(&finished, arguments);
        assert_eq!(status.code(), Some(8));
        let said = String::from_utf8_lossy(&stderr).split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ");
        assert!(said.contains("use the newer bandmaster"), "{said}");
    }
}
