//! docs/ledger.md says what the schema is, no more and no less, and its queries answer what they are said to answer.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bandmaster_journal::Campaign;
use bandmaster_ledger::{Ledger, rebuild};
use rusqlite::types::Value;
use tempfile::TempDir;

use crate::plan;
use crate::story;

const DOC: &str = include_str!("../../../../docs/ledger.md");

/// The ledger of the whole story. SQLite's connections are not shared between threads: each test opens its own.
static WORK: LazyLock<TempDir> = LazyLock::new(|| {
    let temp = tempfile::tempdir().unwrap();
    let pen = story::write(Campaign::at(temp.path()));
    let (ledger, folded) = rebuild(&pen.campaign, &temp.path().join("work.db"), &mut ()).unwrap();
    assert!(folded.damaged.is_empty());
    ledger.publish(&temp.path().join("stage"), &pen.campaign.ledger()).unwrap();
    temp
});

fn ledger() -> (TempDir, Ledger) {
    let temp = tempfile::tempdir().unwrap();
    let ledger = Ledger::begin_anew(&WORK.path().join("ledger.db"), &temp.path().join("copy.db")).unwrap();
    (temp, ledger)
}

/// The sections of a chapter: heading and text.
fn sections(chapter: &str) -> Vec<(String, &'static str)> {
    let (_, rest) = DOC.split_once(&format!("\n## {chapter}\n")).unwrap();
    let text = rest.split("\n## ").next().unwrap();
    text.split("\n### ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap())
        .map(|(head, text)| (head.trim().to_owned(), text))
        .collect()
}

/// By table, its columns with their types, as the doc has them.
fn documented(chapter: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let columns = |text: &str| {
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.map(|row| {
            let cells: Vec<&str> = row.trim_end().trim_end_matches('|').split('|').map(str::trim).collect();
            let [name, kind, _unit, meaning] = cells.as_slice() else { panic!("not four cells: {row}") };
            assert!(!meaning.is_empty(), "{row}");
            (name.trim_end_matches('`').to_owned(), (*kind).to_owned())
        })
        .collect()
    };
    sections(chapter).into_iter().map(|(head, text)| (head.trim_matches('`').to_owned(), columns(text))).collect()
}

/// By table or view, its columns with their types, as the schema has them.
fn schema(ledger: &Ledger, kind: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let sql = "SELECT tables.name, columns.name, columns.type FROM pragma_table_list AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.schema = 'main' AND tables.type = ?1 AND tables.name NOT LIKE 'sqlite%' ORDER BY tables.name, columns.cid";
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut find = ledger.connection().prepare(sql).unwrap();
    for row in find.query_map([kind], |row| Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?)))).unwrap() {
        let (table, column) = row.unwrap();
        found.entry(table).or_default().push(column);
    }
    found
}

#[test]
fn every_column_is_documented_with_its_type_and_every_documented_column_is_there() {
    let (_temp, ledger) = ledger();
    let (documented, schema) = (documented("Tables"), schema(&ledger, "table"));
    assert_eq!(documented.keys().collect::<Vec<_>>(), schema.keys().collect::<Vec<_>>());
    for (table, columns) in &schema {
        assert_eq!(&documented[table], columns, "{table}");
    }
}

#[test]
fn every_view_is_documented_column_by_column() {
    let (_temp, ledger) = ledger();
    let names = |tables: BTreeMap<String, Vec<(String, String)>>| -> BTreeMap<String, Vec<String>> {
        tables.into_iter().map(|(table, columns)| (table, columns.into_iter().map(|(name, _)| name).collect())).collect()
    };
    assert_eq!(names(documented("Views")), names(schema(&ledger, "view")));
}

/// The rows that the doc's query under that heading finds.
fn ask(heading: &str) -> Vec<Vec<Value>> {
    let (_temp, ledger) = ledger();
    let questions = sections("Ten questions");
    let (_, text) = questions.iter().find(|(head, _)| head == heading).unwrap();
    let sql = text.split_once("```sql\n").unwrap().1.split("```").next().unwrap();
    let mut find = ledger.connection().prepare(sql).unwrap();
    let columns = find.column_count();
    let rows = find.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).unwrap();
    rows.map(Result::unwrap).collect()
}

fn shown(rows: &[Vec<Value>]) -> Vec<String> {
    let value = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(_) => "blob".to_owned(),
    };
    rows.iter().map(|row| row.iter().map(value).collect::<Vec<_>>().join(" ")).collect()
}

/// The trials that were trained to the end, best first.
fn finished() -> Vec<u32> {
    let (_temp, ledger) = ledger();
    let mut find = ledger.connection().prepare("SELECT trial FROM trials WHERE state = 'finished'").unwrap();
    let mut found: Vec<u32> = find.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    found.sort_by(|one, other| plan::loss(*one, 9).total_cmp(&plan::loss(*other, 9)));
    found
}

#[test]
fn there_are_ten_questions_and_each_has_an_answer() {
    let questions = sections("Ten questions");
    assert_eq!(questions.len(), 10);
    for (heading, _) in questions {
        assert!(!ask(&heading).is_empty(), "{heading}");
    }
}

#[test]
fn the_best_configurations() {
    let expected: Vec<String> = finished()
        .iter()
        .zip(1..)
        .map(|(trial, place)| {
            let params = plan::params(*trial);
            format!("{place} digits-1/{trial} 9 {} {} {}", plan::loss(*trial, 9), params["lr"], params["hidden"])
        })
        .collect();
    assert_eq!(shown(&ask("Which configurations are best?")), expected);
}

#[test]
fn the_learning_curves_of_the_best() {
    let mut best: Vec<u32> = finished().into_iter().take(3).collect();
    best.sort_unstable();
    let expected: Vec<String> =
        best.iter().flat_map(|trial| (1..=9).map(move |resource| format!("{trial} {resource} {}", plan::loss(*trial, resource)))).collect();
    assert_eq!(shown(&ask("How did the best trials learn?")), expected);
}

#[test]
fn how_far_the_sweep_is() {
    assert_eq!(
        shown(&ask("How far is the sweep?")),
        ["0 0 1 9 8 1 0 3", "0 1 3 3 3 0 0 1", "0 2 9 1 1 0 0 0", "1 0 3 5 5 0 0 1", "1 1 9 1 1 0 0 0", "2 0 9 3 3 0 0 0"]
    );
}

#[test]
fn the_time_that_preemption_cost() {
    let causes: BTreeMap<String, i64> = ask("How much time was lost to preemption and its like?")
        .into_iter()
        .map(|row| match row.as_slice() {
            [Value::Text(cause), Value::Integer(number), Value::Real(hours)] if *hours >= 0.0 && *hours < 1.0 => (cause.clone(), *number),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(causes, [("node_failure".to_owned(), 1), ("preempted".to_owned(), 3), ("time_limit".to_owned(), 1)].into());
}

#[test]
fn the_attempts_that_failed() {
    let failed: Vec<String> = shown(&ask("Which attempts failed, and why?"))
        .into_iter()
        .map(|row| row.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "digits-1/1.1 wrong_exit",
        "digits-1/2.1 out_of_memory",
        "digits-1/2.2 out_of_memory",
        "digits-1/2.3 out_of_memory",
        "digits-1/10.1 node_failure",
    ];
    assert_eq!(failed, expected);
}

#[test]
fn what_each_bracket_cost() {
    let rows = ask("What did each bracket cost, and what did it bring?");
    let counts: Vec<(Value, Value)> = rows.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(counts, [(0, 9), (1, 5), (2, 3)].map(|(bracket, trials)| (Value::Integer(bracket), Value::Integer(trials))));
    // Bracket 2: three trials, and three attempts more that brought no result, of 60.5 s each.
    assert_eq!(rows[2][2..5], [Value::Real(0.1), Value::Real(0.2), Value::Real(0.05)]);
    let best = (14..17).map(|trial| plan::loss(trial, 9)).fold(f64::INFINITY, f64::min);
    assert_eq!(rows[2][5], Value::Real(best));
}

#[test]
fn which_parameters_matter() {
    let rows = shown(&ask("Which parameters matter?"));
    assert_eq!(rows.len(), 6, "{rows:?}");
    let diverged: Vec<&String> = rows.iter().filter(|row| row.ends_with(" 1")).collect();
    assert!(matches!(diverged.as_slice(), [row] if row.starts_with("1 adam 4 ")), "trial 3 diverged: {rows:?}");
}

#[test]
fn what_ran_for_the_best_result() {
    let rows = shown(&ask("What exactly ran for the best result?"));
    let best = finished()[0];
    assert!(rows[0].starts_with(&format!("digits-1/{best}.")), "{rows:?}");
    assert!(rows[0].contains(r#"["python3","train.py","--epochs","9"] /home/ada/digits"#), "{rows:?}");
    assert!(rows[0].ends_with(r#"A processor ["A GPU"] {"python":"3.12.1"} 4"#), "{rows:?}");
}

#[test]
fn what_happened_to_a_trial() {
    let rows = shown(&ask("What happened to a trial, and why was it stopped?"));
    let told: Vec<&str> = rows.iter().map(|row| row.split_once(' ').unwrap().1).collect();
    assert_eq!(told[0], "trial digits-1/9 was drawn for bracket 1, with the seed 1009");
    assert_eq!(told[1], "digits-1/9.1 may run to rung 0, under the grant 1 of that segment");
    assert_eq!(told[2], "digits-1/9.2 may run to rung 0, under the grant 2 of that segment");
    assert!(
        told.iter().any(|sentence| sentence.starts_with("rung 0 of bracket 1 of digits-1: 1 of 5 trials go on (keep 1): ")),
        "{told:#?}"
    );
}

#[test]
fn which_hosts_are_slow() {
    let rows = shown(&ask("Which hosts are slow?"));
    assert!(rows.len() >= 4 && rows.iter().all(|row| row.starts_with("node")), "{rows:?}");
}
