//! A process that is killed at each crash point in turn, and a next one that goes on: nothing lost, nothing twice.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which may fail where they stand")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use bandmaster_journal::{
    CRASH_POINTS, Campaign, Created, Cursor, JournalWriter, Lease, Taken, arm_crash_points, create_once, nonce, now, publish, read_from,
};
use bandmaster_record::{Epoch, JournalId, SlotRecord};

/// All numbers in the journals, in the order of the epochs.
fn numbers(campaign: &Campaign) -> Vec<u64> {
    let mut journals = BTreeMap::new();
    for entry in fs::read_dir(campaign.searcher_journals()).unwrap() {
        let path = entry.unwrap().path();
        if let Ok(epoch) = path.file_stem().unwrap().to_str().unwrap().parse::<u64>() {
            let batch = read_from::<SlotRecord>(&path, Cursor::default(), None).unwrap();
            assert!(!batch.torn && batch.damage.is_none(), "{batch:?}");
            journals.insert(epoch, batch.frames);
        }
    }
    let number = |record: SlotRecord| match record {
        SlotRecord::SlotEnded { why } => why.parse().unwrap(),
        other => panic!("{other:?}"),
    };
    journals.into_values().flatten().map(|frame| number(frame.record)).collect()
}

/// Not a test by itself: one tick, in a process of its own. It goes on counting where the journals end.
#[test]
fn one_tick() {
    let Some(root) = std::env::var_os("BANDMASTER_TEST_CAMPAIGN") else { return };
    arm_crash_points();
    let campaign = Campaign::at(root);
    let Taken::Mine(lease) = Lease::take(&campaign, Duration::from_secs(3600)).unwrap() else { panic!("held") };
    let first = numbers(&campaign).last().map_or(1, |last| last + 1);
    let mut writer = JournalWriter::create(&campaign.journal(&JournalId::Searcher(lease.epoch())), now).unwrap();
    for number in [first, first + 1] {
        writer.append(&SlotRecord::SlotEnded { why: number.to_string() }).unwrap();
        writer.sync().unwrap();
        // What was acknowledged, told to somebody who does not crash.
        fs::write(campaign.root().join("acknowledged"), number.to_string()).unwrap();
        let claim = campaign.requests().join(number.to_string());
        assert_eq!(create_once(&claim, nonce().as_str().as_bytes()).unwrap(), Created::Mine);
    }
    assert!(lease.still_mine().unwrap());
    let stage = campaign.work_db(lease.epoch());
    publish(&campaign.ledger(), &stage, (first + 1).to_string().as_bytes()).unwrap();
    lease.release().unwrap();
}

fn tick(campaign: &Campaign, fail: &str) -> ExitStatus {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_tick", "--nocapture"])
        .env("BANDMASTER_TEST_CAMPAIGN", campaign.root())
        .env("FAILPOINTS", fail)
        .output()
        .unwrap();
    assert!(
        output.status.success() || output.status.signal() == Some(9),
        "{fail}: {}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.status
}

fn number_in(path: &Path) -> u64 {
    fs::read_to_string(path).map_or(0, |text| text.parse().unwrap())
}

#[test]
fn a_process_killed_at_any_crash_point_loses_nothing_and_doubles_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let campaign = Campaign::at(temp.path());
    campaign.create().unwrap();
    for point in CRASH_POINTS {
        let mut kills = 0;
        for skipped in 0..20 {
            let status = tick(&campaign, &format!("{point}={skipped}*off->return"));
            let found = numbers(&campaign);
            assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>(), "{point} {skipped}");
            assert!(found.len() as u64 >= number_in(&campaign.root().join("acknowledged")), "{point} {skipped}");
            assert!(number_in(&campaign.ledger()) <= found.len() as u64, "{point} {skipped}");
            kills += u32::from(status.signal() == Some(9));
            if status.success() {
                break;
            }
        }
        assert!(kills > 0, "{point} was never reached");
        assert!(kills < 20, "{point} was reached without end");
    }
    assert!(tick(&campaign, "").success());
    assert_eq!(number_in(&campaign.ledger()), numbers(&campaign).len() as u64);
    let leases: Vec<_> = fs::read_dir(campaign.lease_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(leases.len(), 1, "{leases:?}");
    let epoch: Epoch = leases[0].to_str().unwrap().parse().unwrap();
    assert!(epoch.0 > CRASH_POINTS.len() as u64);
}
