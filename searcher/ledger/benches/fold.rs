//! How fast metrics go from a slot's journal into the ledger: `cargo bench -p bandmaster-ledger`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use bandmaster_journal::{Campaign, Cursor, JournalReader, JournalWriter, now};
use bandmaster_ledger::{Reader, check, rebuild};
use bandmaster_record::*;

const REPORTS: u64 = 250_000;
const METRICS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let temp = tempfile::tempdir()?;
    let campaign = Campaign::at(temp.path().join("campaign"));
    write(&campaign)?;
    let rows = REPORTS as f64 * METRICS as f64;
    let start = Instant::now();
    let journal = "sweeps/bench-1/slots/1_0.01J/journal.jrn".parse()?;
    let mut reader = JournalReader::<SlotRecord>::open(&campaign.journal(&journal), Cursor::default(), None)?;
    while reader.next_frame()?.is_some() {}
    println!("reading the journal alone: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let (ledger, folded) = rebuild(&campaign, &temp.path().join("work.1.db"), &mut ())?;
    let took = start.elapsed().as_secs_f64();
    println!(
        "fold: {} records, {rows} metrics in {took:.2} s: {:.0} metrics/s, {:.0} records/s",
        folded.records(),
        rows / took,
        folded.records() as f64 / took
    );
    let bytes = std::fs::metadata(temp.path().join("work.1.db"))?.len();
    println!("size: {:.1} bytes a metric", bytes as f64 / rows);
    let start = Instant::now();
    ledger.publish(&temp.path().join("stage"), &campaign.ledger())?;
    println!("publish: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let reader = Reader::open(&campaign)?;
    println!("open a reader: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    for view in ["best", "rung_table", "curves"] {
        let start = Instant::now();
        let found: i64 =
            reader.connection().query_row(&format!("SELECT count(*) FROM {view} WHERE sweep = 'bench-1'"), [], |row| row.get(0))?;
        println!("{view}: {found} rows in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    }
    let start = Instant::now();
    let mut one = reader.connection().prepare("SELECT value FROM curves WHERE sweep = 'bench-1' AND trial = 7 AND metric = 'val_loss'")?;
    let found = one.query_map([], |row| row.get::<_, f64>(0))?.count();
    println!("one curve: {found} rows in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let report = check(&campaign, &campaign.ledger())?;
    println!("check: {} records in {:.2} s", report.records, start.elapsed().as_secs_f64());
    Ok(())
}

/// One slot that runs 2500 trials of 100 reports each.
fn write(campaign: &Campaign) -> Result<(), Box<dyn Error>> {
    campaign.create()?;
    let sweep: SweepId = "bench-1".parse()?;
    let slot: SlotId = "1_0.01J".parse()?;
    std::fs::create_dir_all(campaign.sweep(&sweep).slot(&slot))?;
    let journal = JournalId::Slot(sweep.clone(), slot);
    let mut writer = JournalWriter::create(&campaign.journal(&journal), now)?;
    let mut searcher = JournalWriter::create(&campaign.journal(&JournalId::Searcher(Epoch(1))), now)?;
    let host = Host { name: "bench".into(), boot_id: "boot".into() };
    searcher.append(&SearcherRecord::LeaseTaken { epoch: Epoch(1), host, pid: 1, version: "0".into(), sealed: vec![] })?;
    let names = ["val_loss", "train_loss", "accuracy", "grad_norm"];
    let trials = u32::try_from(REPORTS / 100)?;
    for trial in (0..trials).map(TrialId) {
        let attempt = AttemptRef { trial, rung: RungNo(0), grant: Grant(1), attempt: AttemptNo(1) };
        searcher.append(&SearcherRecord::TrialCreated { sweep: sweep.clone(), trial, bracket: 0, params: Params::new(), seed: 1 })?;
        searcher.append(&SearcherRecord::Granted { sweep: sweep.clone(), attempt })?;
        let nonce = "01J".parse()?;
        writer.append(&SlotRecord::AttemptStarted {
            attempt,
            nonce,
            resumed_from: None,
            checkpoint: None,
            passed_over: vec![],
            execution: Box::default(),
        })?;
        for resource in 1..=100 {
            let metrics = names.iter().take(METRICS).map(|name| ((*name).to_owned(), Number(1.0 / resource as f64))).collect();
            writer.append(&SlotRecord::Report { attempt, resource: Resource(resource), metrics })?;
        }
    }
    writer.sync()?;
    let cursor = writer.position();
    searcher.append(&SearcherRecord::Observed { journal, through_seq: cursor.seq, offset: cursor.offset })?;
    for trial in (0..trials).map(TrialId) {
        let attempt = AttemptRef { trial, rung: RungNo(0), grant: Grant(1), attempt: AttemptNo(1) };
        searcher.append(&SearcherRecord::Accepted { sweep: sweep.clone(), attempt, value: Number(0.01) })?;
    }
    searcher.sync()?;
    println!("{} bytes of journal", std::fs::metadata(Path::new(writer.path()))?.len());
    Ok(())
}
