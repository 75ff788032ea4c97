use bandmaster_journal::{Lease, Taken};
use bandmaster_ledger::{Ledger, same_rows};
use bandmaster_record::{Epoch, JournalId, SearcherRecord};

use super::*;
use crate::fixture::{Fixture, parse};
use crate::output::Screen;

fn ran(fixture: &Fixture, arguments: &[&str]) -> Result<(Exit, String), Failure> {
    let mut args: Args = parse(arguments);
    if let Verb::Sql { format, .. } = &mut args.verb {
        format.screen = Screen::PIPE;
    }
    let mut out = Vec::new();
    let exit = run(&args, &fixture.campaign, &mut out)?;
    Ok((exit, fixture.stable(&out)))
}

fn printed(fixture: &Fixture, arguments: &[&str]) -> String {
    let (exit, text) = ran(fixture, arguments).unwrap();
    assert_eq!(exit, Exit::Ok, "{text}");
    text
}

#[test]
fn a_ledger_that_is_what_the_journals_say_is_clean() {
    let finished = Fixture::finished().publish();
    let text = printed(&finished, &["check"]);
    assert!(text.starts_with("the ledger is what the journals say: 3 journals, "), "{text}");
    let json: serde_json::Value = serde_json::from_str(&printed(&finished, &["check", "--format", "json"])).unwrap();
    assert_eq!((&json["check"]["clean"], &json["check"]["behind"]), (&true.into(), &0.into()));
}

#[test]
fn a_ledger_that_is_not_is_exit_8_with_a_sentence_for_each_finding() {
    let finished = Fixture::finished().publish();
    let db = rusqlite::Connection::open(finished.campaign.ledger()).unwrap();
    db.execute("DELETE FROM metrics WHERE trial = 3", []).unwrap();
    drop(db);
    let (exit, text) = ran(&finished, &["check"]).unwrap();
    assert_eq!(exit, Exit::Because(FailureKind::Ledger));
    assert!(text.contains("journal.jrn: the journal says ") && text.contains("metrics"), "{text}");
    let (exit, text) = ran(&finished, &["check", "--format", "json"]).unwrap();
    assert_eq!(exit.code(), 8);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(json["check"]["findings"].as_array().unwrap().len() > 1);
}

#[test]
fn a_ledger_that_was_never_published_is_not_found_to_check() {
    assert_eq!(ran(&Fixture::finished(), &["check"]).unwrap_err().kind, FailureKind::NotFound);
    let nowhere = Fixture::empty();
    std::fs::remove_dir_all(nowhere.campaign.root()).unwrap();
    for arguments in [["check"].as_slice(), &["rebuild"], &["sql", "SELECT 1"]] {
        let failure = ran(&nowhere, arguments).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert!(failure.report.to_string().contains("there is no campaign at "));
    }
}

#[test]
fn a_rebuilt_ledger_is_the_same_row_for_row_and_a_tick_goes_on_from_it() {
    let running = Fixture::running(12).publish();
    let path = running.campaign.ledger();
    let aside = path.with_extension("old");
    std::fs::rename(&path, &aside).unwrap();
    std::fs::write(running.campaign.work_db(Epoch(1)), "a projection that lies").unwrap();
    let text = printed(&running, &["rebuild"]);
    assert!(text.starts_with("/work/campaign/ledger.db: ") && text.ends_with(" of slots\n"), "{text}");
    let (old, mut new) = (Ledger::open(&aside).unwrap(), Ledger::open(&path).unwrap());
    assert_eq!(same_rows(old.connection(), new.connection()).unwrap(), []);
    let states = new.begin().unwrap().states().unwrap();
    assert_eq!(states.iter().map(|(sweep, _)| sweep.as_str()).collect::<Vec<_>>(), ["digits-1"]);
    let live: crate::live::Live = serde_json::from_slice(&states[0].1).unwrap();
    assert_eq!(live.state.failed, 1);
    drop(new);
    assert_eq!(ran(&running, &["check"]).unwrap().0, Exit::Ok);
    let left = std::fs::read_dir(running.campaign.root().join("searcher")).unwrap();
    let left: Vec<String> =
        left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name.starts_with("work")).collect();
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(Lease::holder(&running.campaign).unwrap(), None);
}

#[test]
fn a_finished_sweep_needs_no_state() {
    let finished = Fixture::finished();
    printed(&finished, &["rebuild"]);
    assert!(Ledger::open(&finished.campaign.ledger()).unwrap().begin().unwrap().states().unwrap().is_empty());
}

#[test]
fn whoever_does_not_get_the_lease_changes_nothing() {
    let finished = Fixture::finished();
    let Taken::Mine(held) = Lease::take(&finished.campaign, std::time::Duration::from_secs(60)).unwrap() else { panic!("held") };
    let failure = ran(&finished, &["rebuild"]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::LeaseHeld);
    assert!(!finished.campaign.ledger().exists());
    held.release().unwrap();
    printed(&finished, &["rebuild"]);
}

#[test]
fn a_damaged_journal_never_replaces_a_ledger_that_knows_more() {
    let finished = Fixture::finished().publish();
    let path = finished.campaign.journal(&JournalId::Searcher(Epoch(1)));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"kind\":\"accepted\"", "\"kind\":\"ACCEPTED\"", 1)).unwrap();
    let before = std::fs::read(finished.campaign.ledger()).unwrap();
    let failure = ran(&finished, &["rebuild"]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Ledger);
    assert!(failure.report.help().unwrap().to_string().contains("--force"));
    assert_eq!(std::fs::read(finished.campaign.ledger()).unwrap(), before);
    let text = printed(&finished, &["rebuild", "--force"]);
    assert!(text.contains("1.jrn is damaged at byte "), "{text}");
}

#[test]
fn a_newer_ledger_is_left_to_the_newer_bandmaster() {
    let finished = Fixture::finished().publish();
    let db = rusqlite::Connection::open(finished.campaign.ledger()).unwrap();
    db.pragma_update(None, "user_version", bandmaster_ledger::SCHEMA_VERSION + 1).unwrap();
    drop(db);
    for arguments in [["check"].as_slice(), &["sql", "SELECT 1"]] {
        let failure = ran(&finished, arguments).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Ledger);
        assert!(failure.report.to_string().contains("use the newer bandmaster"), "{}", failure.report);
    }
}

#[test]
fn questions_are_answered_in_every_format_and_up_to_date() {
    let running = Fixture::running(12).publish();
    let sql = "SELECT state, count(*) AS number, max(value) AS worst FROM segments GROUP BY state ORDER BY state";
    insta::assert_snapshot!(printed(&running, &["sql", sql]));
    assert_eq!(printed(&running, &["sql", "SELECT 1 AS a, NULL AS b, x'00ff' AS c, 0.1 AS d, 'x|y' AS e", "-Ph"]), "1||00ff|0.1|x\\|y\n");
    let json = printed(&running, &["sql", "SELECT count(*) AS running FROM attempts WHERE state = 'running'", "--format", "json"]);
    assert_eq!(json, "{\"schema_version\":1,\n\"rows\":[\n{\"running\":1}]}\n");
}

#[test]
fn what_is_no_question_is_a_wrong_command_line_and_changes_nothing() {
    for campaign in [Fixture::finished(), Fixture::finished().publish()] {
        for sql in ["SELECT nothing FROM trials", "DELETE FROM trials", "SELECT 1; SELECT 2", "", "DROP TABLE trials", "SELEC 1"] {
            let failure = ran(&campaign, &["sql", sql]).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Usage, "{sql}");
        }
        assert_eq!(printed(&campaign, &["sql", "SELECT count(*) AS n FROM trials", "-Ph"]), "17\n");
    }
}

#[test]
fn records_of_another_searcher_are_in_the_answer_at_once() {
    let finished = Fixture::finished().publish();
    let array = bandmaster_record::ArrayNo(9);
    let record = SearcherRecord::ArrayIntended {
        sweep: "digits-1".parse().unwrap(),
        array,
        nonce: bandmaster_record::Nonce::new("N").unwrap(),
        tasks: 3,
        reserved: Vec::new(),
        at_once: None,
    };
    finished.append(&JournalId::Searcher(Epoch(1)), record);
    assert_eq!(printed(&finished, &["sql", "SELECT tasks FROM arrays WHERE \"array\" = 9", "-Ph"]), "3\n");
}
