//! One rule of sweep.toml a line: what is written, where the mistake is seen, what is said, what to write instead.

use bandmaster::campaignfile::{CampaignFile, Defaults};
use bandmaster::sweepfile::{Checked, Mistake, SweepFile};

/// A right sweep; tests replace or add single lines.
const RIGHT: &str = r#"
name = "digits"
seed = 7
[objective]
metric = "val_loss"
goal = "minimize"
[method]
kind = "hyperband"
max_resource = 27
[space]
lr = { log_uniform = [1e-4, 1.0] }
layers = { int = [1, 3] }
[trial]
command = ["train"]
[checkpoint]
[slurm]
"#;

fn parse(text: &str) -> Checked {
    SweepFile::parse("sweep.toml", text.as_bytes(), &Defaults::default())
}

/// The right sweep with `line` instead of the line that begins with the same key in the section; else added there.
fn with(section: &str, line: &str) -> String {
    let key = line.split('=').next().unwrap().trim();
    let mut here = "";
    let mut replaced = false;
    let mut lines: Vec<String> = Vec::new();
    for old in RIGHT.lines() {
        if old.starts_with('[') {
            here = old;
        }
        if here == section && old.split('=').next().unwrap().trim() == key {
            lines.push(line.to_owned());
            replaced = true;
        } else {
            lines.push(old.to_owned());
            if !section.is_empty() && old == section {
                lines.push("#here".to_owned());
            }
        }
    }
    let text = lines.join("\n");
    match (replaced, section.is_empty()) {
        (true, _) => text,
        (false, true) => format!("{line}\n{text}"),
        (false, false) => text.replace("#here", line),
    }
}

/// The only mistake of the sweep with that line.
fn only(section: &str, line: &str) -> Mistake {
    let text = with(section, line);
    let checked = parse(&text);
    assert!(checked.sweep.is_none(), "{line}: accepted");
    assert_eq!(checked.mistakes.len(), 1, "{line}: {:#?}", checked.mistakes.iter().map(ToString::to_string).collect::<Vec<_>>());
    checked.mistakes.into_iter().next().unwrap()
}

/// The mistake's own text, and what it says.
#[track_caller]
fn refused(section: &str, line: &str, at: &str, told: &str, help: &str) {
    let mistake = only(section, line);
    assert_eq!(mistake.place.as_ref().unwrap().text(), at, "{line}: {mistake}");
    assert!(mistake.message.contains(told), "{line}: {mistake}");
    assert!(mistake.help.contains(help), "{line}: {}", mistake.help);
}

fn accepted(section: &str, line: &str) -> SweepFile {
    let checked = parse(&with(section, line));
    checked.sweep.unwrap_or_else(|| panic!("{line}: {:#?}", checked.mistakes.iter().map(ToString::to_string).collect::<Vec<_>>()))
}

#[test]
fn the_right_sweep_is_right() {
    let checked = parse(RIGHT);
    assert!(checked.sweep.is_some() && checked.mistakes.is_empty(), "{:?}", checked.mistakes);
}

#[test]
fn names_stay_in_their_directory_and_are_told_from_numbers() {
    refused("", "name = '../x'", "'../x'", "begin with a letter", "digits");
    refused("", "name = 'a/b'", "'a/b'", "only letters", "digits");
    refused("", "name = 'digits-1'", "'digits-1'", "dash and a number", "digits");
    refused("", &format!("name = '{}'", "x".repeat(54)), &format!("'{}'", "x".repeat(54)), "at most 53", "digits");
    refused("", "name = 3", "3", "must be a string", "digits");
    accepted("", &format!("name = '{}'", "x".repeat(53)));
}

#[test]
fn numbers_have_their_type_and_their_bounds() {
    refused("", "seed = -1", "-1", "at least 0", "seed = 7");
    refused("", "seed = 99999999999999999999", "99999999999999999999", "beyond 64 bits", "seed = 7");
    refused("[method]", "eta = 1", "1", "at least 2", "eta = 3");
    refused("[method]", "eta = 2.5", "2.5", "whole number", "eta = 3");
    refused("[method]", "max_resource = 0", "0", "at least 1", "max_resource = 27");
    refused("[method]", "max_resource = 1e4", "1e4", "whole number", "max_resource = 27");
    refused("[method]", "min_resource = 28", "28", "above `max_resource`", "at most `min_resource = 27`");
    refused("[trial]", "retries = -1", "-1", "at least 0", "retries = 2");
    refused("[slurm]", "max_running = 0", "0", "at least 1", "max_running = 16");
    refused("[checkpoint]", "keep_sweep_best = true", "true", "is true or false", "keep_sweep_best = 1");
}

#[test]
fn ranges_make_sense() {
    refused("[space]", "x = { uniform = [1, 0] }", "[1, 0]", "upside down", "[0.0, 1.0]");
    refused("[space]", "x = { int = [3, 1] }", "[3, 1]", "upside down", "[1, 3]");
    refused("[space]", "x = { uniform = [0, nan] }", "nan", "NaN", "uniform");
    refused("[space]", "x = { uniform = [-inf, 0] }", "-inf", "infinite", "uniform");
    refused("[space]", "x = { uniform = [0, 1e999] }", "1e999", "infinite", "uniform");
    refused("[space]", "x = { log_uniform = [0, 1] }", "[0, 1]", "logarithm", "1e-6");
    refused("[space]", "x = { log_uniform = [-1, 1] }", "[-1, 1]", "logarithm", "1e-6");
    refused("[space]", "x = { log_int = [0, 5] }", "[0, 5]", "logarithm", "1 or above");
    refused("[space]", "x = { int = [1.0, 3] }", "1.0", "whole number", "int");
    refused("[space]", "x = { uniform = [0, 1, 2] }", "[0, 1, 2]", "a low and a high end", "uniform");
    refused("[space]", "x = { uniform = 3 }", "3", "must be an array", "uniform");
    refused("[space]", "x = [1, 2]", "[1, 2]", "constant or a table", "choice");
    refused("[space]", "x = { uniforn = [0, 1], int = [1, 2] }", "uniforn", "unknown key", "`uniform`");
    refused("[space]", "x = { when = { layers = [2] } }", "{ when = { layers = [2] } }", "which values", "log_uniform");
    refused("[space]", "x = { int = [1, 2], uniform = [0, 1] }", "int", "both", "keep one");
    refused("[space]", "x = nan", "nan", "finite", "x = 2");
    refused("[space]", "x = 2020-01-01", "2020-01-01", "date", "x = 2");
}

#[test]
fn steps_fit_their_range() {
    refused("[space]", "x = { uniform = [0, 1], step = 0 }", "0", "above 0", "leave it out");
    refused("[space]", "x = { uniform = [0, 1], step = -0.1 }", "-0.1", "above 0", "leave it out");
    refused("[space]", "x = { uniform = [0, 1], step = 2 }", "2", "wider than the range", "smaller");
    refused("[space]", "x = { uniform = [0, 1], step = 1e-30 }", "1e-30", "lost in the rounding", "larger");
    refused("[space]", "x = { int = [1, 9], step = 0 }", "0", "above 0", "leave it out");
    refused("[space]", "x = { int = [1, 9], step = 9 }", "9", "wider", "smaller");
    refused("[space]", "x = { int = [1, 9], step = 0.5 }", "0.5", "whole number", "step = 1");
    refused("[space]", "x = { log_uniform = [1, 9], step = 2 }", "2", "does not go with `log_uniform`", "uniform");
}

#[test]
fn a_choice_is_of_different_values_of_one_type() {
    refused("[space]", "x = { choice = [] }", "[]", "nothing to choose", "at least one");
    refused("[space]", "x = { choice = [1, 2, 1] }", "1", "twice", "leave one out");
    refused("[space]", "x = { choice = [1, 2.5] }", "2.5", "different types", "1.0");
    refused("[space]", "x = { choice = ['a', 1] }", "1", "different types", "strings");
    refused("[space]", "x = { choice = [[1]] }", "[1]", "an array", "choice");
    refused("[space]", "x = { choice = [inf] }", "inf", "finite", "choice");
}

#[test]
fn conditions_can_hold() {
    refused("[space]", "x = { int = [1, 2], when = { layer = [2] } }", "layer", "no parameter", "`layers`");
    refused("[space]", "x = { int = [1, 2], when = { x = [2] } }", "x", "itself", "away");
    refused("[space]", "x = { int = [1, 2], when = { lr = [0.1] } }", "lr", "any number of its range", "step");
    refused("[space]", "x = { int = [1, 2], when = { layers = [4] } }", "4", "never 4", "from 1 to 3");
    refused("[space]", "x = { int = [1, 2], when = { layers = ['2'] } }", "'2'", "never", "from 1 to 3");
    refused("[space]", "x = { int = [1, 2], when = { layers = [] } }", "layers", "never be active", "layers = [...]");
    refused("[space]", "x = { int = [1, 2], when = { layers = 2 } }", "2", "an array", "layers = [2]");
    refused("[space]", "x = { int = [1, 2], when = 3 }", "3", "must be a table", "layers");
    let circle = "a = { int = [1, 2], when = { b = [1] } }\nb = { int = [1, 2], when = { a = [1] } }";
    assert!(only("[space]", circle).message.contains("circle: a needs b needs a"));
}

#[test]
fn a_mistake_in_a_parameter_is_not_told_again_by_those_that_depend_on_it() {
    let two = "y = { uniform = [1, nan] }\nx = { int = [1, 2], when = { y = [1] } }";
    assert!(only("[space]", two).message.contains("NaN"));
}

#[test]
fn reserved_words_are_no_parameters() {
    for word in ["target", "max_resource", "resume_from", "seed", "trial"] {
        refused("[space]", &format!("{word} = 1"), word, "stands for something else", &format!("{word}_"));
    }
    refused("[space]", "'a b' = 1", "'a b'", "only letters", "something else");
}

#[test]
fn methods_ask_for_what_they_use() {
    refused("[method]", "kind = 'hyperbrand'", "'hyperbrand'", "no method", "\"hyperband\"");
    refused("[method]", "kind = 'asha'", "'asha'", "not supported yet", "`hyperband`");
    refused("[method]", "trials = 5", "trials", "`random` does", "remove it");
    refused("[method]", "sampler = 'tpe'", "'tpe'", "only \"random\"", "sampler = \"random\"");
    refused("[method]", "divisor = 4", "divisor", "not supported yet", "remove");
    refused("[method]", "counts = 'table1'", "'table1'", "cannot be", "\"table-1\"");
    refused("[method]", "repetitions = 1000000", "27", "at most 1000000", "lower");
    let random = only("[method]", "kind = 'random'");
    assert!(random.message.contains("`trials` is missing"), "{random}");
    let grid = only("[method]", "kind = 'grid'");
    assert_eq!((grid.place.unwrap().text(), grid.help.as_str()), ("[1e-4, 1.0]", "make it a `choice`"));
    let single = parse(&with("[method]", "kind = 'single'")).mistakes;
    assert_eq!(single.len(), 2, "{single:?}");
    assert!(single.iter().all(|mistake| mistake.message.contains("is not constant")));
}

#[test]
fn a_grid_that_is_too_large_is_refused() {
    let text = with("[space]", "lr = { int = [1, 1000000] }").replace("hyperband", "grid");
    let mistakes = parse(&text).mistakes;
    assert!(mistakes.len() == 1 && mistakes[0].message.contains("more than 1000000"), "{mistakes:?}");
}

#[test]
fn objectives_are_understood() {
    refused("[objective]", "goal = 'min'", "'min'", "cannot be", "\"minimize\"");
    refused("[objective]", "metric = ''", "''", "name under which", "val_loss");
    refused("[objective]", "from = { stdout = '(' }", "'('", "unclosed group", "val_loss");
    refused("[objective]", "from = { stdout = 'loss' }", "'loss'", "needs a group", "val_loss=(\\S+)");
    refused("[objective]", "from = 'stdout'", "'stdout'", "must be a table", "stdout");
    refused("[objective]", "from = { std_out = '(x)' }", "std_out", "unknown key", "`stdout`");
    refused("[objective]", "from = {}", "{}", "`stdout` is missing", "val_loss=");
    let several = RIGHT.replace("[objective]", "[[objective]]");
    let mistakes = parse(&several).mistakes;
    assert!(mistakes.len() == 1 && mistakes[0].message.contains("several objectives"), "{mistakes:?}");
}

#[test]
fn commands_are_argvs_whose_placeholders_have_values() {
    refused("[trial]", "command = []", "[]", "empty", "python3");
    refused("[trial]", "command = 'train --lr {lr}'", "'train --lr {lr}'", "must be an array", "[\"python3\"");
    refused("[trial]", "command = [['train']]", "['train']", "cannot be left out", "string");
    refused("[trial]", "command = ['']", "''", "the program", "python3");
    refused("[trial]", "command = ['t', []]", "[]", "empty", "remove");
    refused("[trial]", "command = ['t', [['a']]]", "['a']", "an array", "nest once");
    refused("[trial]", "command = ['t', 3]", "3", "whole number", "\"3\"");
    refused("[trial]", "command = ['t', '{lrr}', '{layers}']", "{lrr}", "nothing is called", "{lr}");
    refused("[trial]", "command = ['t', '{targt}']", "{targt}", "nothing is called", "{target}");
    refused("[trial]", "command = ['t', '{']", "'{'", "brace", "`{{`");
    refused("[trial]", "command = ['t', '}']", "'}'", "brace", "`}}`");
    refused("[trial]", "command = ['t', '{}']", "'{}'", "brace", "{name}");
    refused("[trial]", "command = ['t', '{resume_from}']", "{resume_from}", "no value in some trials", "nested array");
    refused("[trial]", "command = [\"t\", \"\\u0000\"]", "\"\\u0000\"", "null character", "string");
    accepted(
        "[trial]",
        "command = ['t', '{{{lr}}}', '{layers}', ['--resume={resume_from}'], '{trial}', '{seed}', '{max_resource}', '{target}']",
    );
    let conditional =
        with("[space]", "x = { int = [1, 2], when = { layers = [2] } }").replace("[\"train\"]", "['t', '{x}', '{lr}', '{layers}']");
    let mistakes = parse(&conditional).mistakes;
    assert!(mistakes.len() == 1 && mistakes[0].message.contains("`when`"), "{mistakes:?}");
}

#[test]
fn trials_are_told_what_they_can_have() {
    refused("[trial]", "time = 600", "600", "must be a string", "00:30:00");
    refused("[trial]", "time = 00:30:00", "00:30:00", "without quotes", "\"00:30:00\"");
    refused("[trial]", "time = 'soon'", "'soon'", "span of time", "00:30:00");
    refused("[trial]", "memory_per_rank = '2'", "'2'", "needs a unit", "2G");
    refused("[trial]", "stop_signal = 'KILL'", "'KILL'", "cannot be", "\"TERM\"");
    refused("[trial]", "stop_signal = 'SIGTERM'", "'SIGTERM'", "cannot be", "write \"TERM\"");
    refused("[trial]", "ranks = 2", "2", "not supported yet", "ranks = 1");
    refused("[trial]", "gpus = 8", "8", "8 ranks with a GPU each", "ranks = 1");
    refused("[trial]", "snapshot = ['*.py']", "['*.py']", "not supported yet", "snapshot = []");
    refused("[trial]", "container = 'x.sif'", "container", "not supported yet", "remove");
    refused("[trial]", "environment = { A = 1 }", "1", "string", "A = \"1\"");
    refused("[trial]", "environment = { 'A=B' = '1' }", "'A=B'", "name of a variable", "letters");
    refused("[trial]", "environment = { BANDMASTER_SEED = '1' }", "BANDMASTER_SEED", "sets itself", "another name");
    refused("[trial]", "setup = 'module load x'", "'module load x'", "must be an array", "module load");
    refused("[checkpoint]", "interval = 'often'", "'often'", "span of time", "auto");
    refused("[slurm]", "partition = 'a b'", "'a b'", "without spaces", "preempt");
    refused("[slurm]", "extra = ['script.sh']", "'script.sh'", "option of sbatch", "--option=value");
    refused("[slurm]", "extra = ['--qos=low', '--array=0-3']", "'--array=0-3'", "option --array itself", "max_running");
    refused("[slurm]", "extra = ['-Jmine']", "'-Jmine'", "option -Jmine itself", "by their names");
    refused("[slurm]", "extra = ['--outp=x']", "'--outp=x'", "option --outp itself", "bandmaster logs");
    refused("[slurm]", "extra = ['-n4']", "'-n4'", "option -n4 itself", "`ranks`");
    refused("[slurm]", "extra = ['--']", "'--'", "option of sbatch", "--option=value");
    accepted("[trial]", "gpus = 8\nranks = 1");
}

#[test]
fn unknown_keys_are_told_with_the_nearest_or_their_home() {
    refused("", "sede = 7", "sede", "unknown key", "`seed`");
    refused("[trial]", "eta = 3", "eta", "unknown key", "[method]");
    refused("[trial]", "comand = ['x']", "comand", "unknown key", "`command`");
    refused("[slurm]", "zzz = 1", "zzz", "unknown key", "`partition`");
}

#[test]
fn no_word_of_the_file_reaches_the_terminal_as_a_command() {
    let mistake = only("[method]", "kind = \"\\u001b[2J\"");
    assert!(mistake.message.contains("\\u{1b}[2J"), "{mistake}");
}

#[test]
fn what_is_missing_is_told_with_an_example() {
    for (section, key) in [
        ("", "name"),
        ("[objective]", "metric"),
        ("[objective]", "goal"),
        ("[method]", "kind"),
        ("[method]", "max_resource"),
        ("[trial]", "command"),
    ] {
        let text: Vec<&str> = RIGHT.lines().filter(|line| line.split('=').next().unwrap().trim() != key).collect();
        let mistakes = parse(&text.join("\n")).mistakes;
        assert_eq!(mistakes.len(), 1, "{key}: {mistakes:?}");
        assert!(
            mistakes[0].message.contains(&format!("`{key}` is missing in")) && mistakes[0].message.contains(section),
            "{}",
            mistakes[0]
        );
        assert!(mistakes[0].help.contains(&format!("{key} = ")), "{}", mistakes[0].help);
    }
    let told: Vec<String> = parse("").mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
fn broken_toml_is_told_with_the_mistakes_in_its_other_lines() {
    let text = with("[method]", "eta = 1").replace("seed = 7", "seed = ").replace("goal = \"minimize\"", "goal = \"minimize");
    let checked = parse(&text);
    let at: Vec<usize> = checked.mistakes.iter().map(|mistake| mistake.place.as_ref().unwrap().line_and_column().0).collect();
    assert_eq!(at, [3, 6, 8], "{:?}", checked.mistakes);
    assert!(checked.sweep.is_none());
}

#[test]
fn a_file_in_another_encoding_is_told_at_its_first_strange_byte() {
    let checked = SweepFile::parse("sweep.toml", b"name = \"M\xfcller\"\n", &Defaults::default());
    let first = &checked.mistakes[0];
    assert!(first.message.contains("0xfc") && first.help.contains("iconv"), "{first}");
    assert_eq!(first.place.as_ref().unwrap().line_and_column(), (1, 10));
}

#[test]
fn what_is_perhaps_not_meant_is_a_warning() {
    let warnings = |text: &str| {
        let checked = parse(text);
        assert!(checked.sweep.is_some(), "{:?}", checked.mistakes);
        checked.mistakes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let forgotten = warnings(&with("[trial]", "command = ['t', '{lr}']"));
    assert!(forgotten.len() == 1 && forgotten[0].contains("`layers` varies"), "{forgotten:?}");
    assert!(warnings(&with("[trial]", "command = ['sh', '-c', 't {lr} <$BANDMASTER_PARAMS']")).is_empty());
    let prints = with("[objective]", "from = { stdout = 'loss=(.*)' }").replace("[\"train\"]", "['t', '{lr}', '{layers}']");
    let told = warnings(&prints);
    assert!(told.len() == 1 && told[0].contains("{target}"), "{told:?}");
    let fixed = RIGHT.replace("lr = { log_uniform = [1e-4, 1.0] }", "").replace("layers = { int = [1, 3] }", "");
    assert!(warnings(&fixed)[0].contains("nothing varies"));
}

#[test]
fn a_campaigns_defaults_stand_where_the_sweep_says_nothing() {
    let (campaign, mistakes) = CampaignFile::parse(
        "campaign.toml",
        b"lease_takeover = '5s'\n[trial]\nretries = 9\ntime = '1h'\nenvironment = { A = '1', B = '1' }\n[slurm]\npartition = 'p'\n[checkpoint]\ninterval = '10m'",
    );
    let campaign = campaign.unwrap_or_else(|| panic!("{mistakes:?}"));
    assert_eq!((campaign.lease_takeover.0, campaign.lost_after.0), (5.0, 60.0));
    let text = with("[trial]", "retries = 1\nenvironment = { B = '2' }").replace("[slurm]", "[slurm]\nmax_running = 3");
    let sweep = SweepFile::parse("sweep.toml", text.as_bytes(), &campaign.defaults).sweep.unwrap();
    assert_eq!((sweep.search.retries, sweep.trial.time.unwrap().0), (1, 3600.0));
    assert_eq!(sweep.trial.environment.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["A=1", "B=2"]);
    assert_eq!((sweep.slurm.partition.as_deref(), sweep.slurm.max_running), (Some("p"), Some(3)));
    assert_eq!(sweep.trial.checkpoint_interval.unwrap().0, 600.0);
    let (none, mistakes) = CampaignFile::parse("campaign.toml", b"lease_takover = '5s'\nname = 'x'\nlost_after = 60\n");
    assert!(none.is_none());
    assert_eq!(mistakes.len(), 3, "{mistakes:?}");
}

#[test]
fn the_record_of_a_submission_holds_what_a_slot_and_the_ledger_need() {
    let sweep = parse(RIGHT).sweep.unwrap();
    let spec = sweep.to_spec_json("/work");
    assert_eq!(
        (&spec["name"], &spec["metric"], &spec["goal"], &spec["unit"]),
        (&"digits".into(), &"val_loss".into(), &"minimize".into(), &"resource".into())
    );
    let settings: bandmaster_record::TrialSettings = serde_json::from_value(spec["trial"].clone()).unwrap();
    assert_eq!(settings.directory, "/work");
    let search: bandmaster_search::Spec = serde_json::from_value(spec["search"].clone()).unwrap();
    assert_eq!(search, sweep.search);
    assert_eq!(
        spec["plan"][0],
        serde_json::json!({"bracket": 0, "s": 3, "repetition": 0, "anchors": false, "first_trial": 0, "rungs": [
        {"resource": 1, "trials": 27}, {"resource": 3, "trials": 9}, {"resource": 9, "trials": 3}, {"resource": 27, "trials": 1}]})
    );
    let again: SweepFile = serde_json::from_value(serde_json::to_value(&sweep).unwrap()).unwrap();
    assert_eq!(again, sweep);
}
