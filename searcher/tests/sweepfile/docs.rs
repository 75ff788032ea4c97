//! docs/sweep.md tells what the parser does: every key, every example, the whole sweep at its top.

use bandmaster::campaignfile::Defaults;
use bandmaster::sweepfile::{SweepFile, keys};

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sweep.md");
    std::fs::read_to_string(path).unwrap()
}

/// The part of the page under the heading that names the table.
fn part<'a>(page: &'a str, table: &str) -> &'a str {
    let heading = match table {
        "sweep.toml" => "## At the top".to_owned(),
        "campaign.toml" => "## campaign.toml".to_owned(),
        "`from`" => "## `[objective]`".to_owned(),
        section => format!("## `{section}`"),
    };
    let begin = page.find(&heading).unwrap_or_else(|| panic!("no heading {heading}")) + heading.len();
    let rest = &page[begin..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

#[test]
fn each_key_has_its_row() {
    let page = page();
    for (table, keys) in keys::TABLES {
        let part = part(&page, table);
        for key in *keys {
            // campaign.toml's sections are told in its text, all other keys in the first column of a table.
            let told = part.lines().any(|line| {
                let cell = line.strip_prefix("| ").and_then(|row| row.split('|').next()).unwrap_or(if *table == "campaign.toml" {
                    line
                } else {
                    ""
                });
                cell.contains(&format!("`{}`", key.name))
            });
            assert!(told, "{table}: `{}` is not in docs/sweep.md", key.name);
        }
    }
}

#[test]
fn no_row_tells_of_a_key_that_is_not_there() {
    let page = page();
    for (table, keys) in keys::TABLES {
        if *table == "`from`" {
            continue;
        }
        let rows = part(&page, table).lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        for name in rows.flat_map(|cell| cell.split('`').step_by(2).map(|word| word.trim_matches(['`', ',', ' '])).collect::<Vec<_>>()) {
            let known = keys.iter().chain(keys::FROM).any(|key| key.name == name);
            assert!(known || name.is_empty() || name.starts_with(['{', '(']), "{table}: docs/sweep.md tells of `{name}`");
        }
    }
}

#[test]
fn the_pages_sweep_is_right_without_a_warning() {
    let page = page();
    let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let checked = SweepFile::parse("docs/sweep.md", text.as_bytes(), &Defaults::default());
    assert!(checked.sweep.is_some() && checked.mistakes.is_empty(), "{:?}", checked.mistakes);
}

#[test]
fn each_example_of_a_message_is_right_toml() {
    for (table, keys) in keys::TABLES {
        for key in *keys {
            let line = format!("{} = {}", key.name, key.example);
            assert!(line.parse::<toml::Table>().is_ok(), "{table}: {line}");
        }
    }
}
