//! Whatever a file holds: mistakes with places, shown and counted, never a panic, and never a sweep with an error.

use bandmaster::campaignfile::{CampaignFile, Defaults};
use bandmaster::look::Look;
use bandmaster::plan::Plan;
use bandmaster::sweepfile::{Checked, SweepFile, WrongFile};
use proptest::prelude::*;

/// Reads the bytes as both files, and shows all that is said.
fn read(bytes: &[u8]) -> Checked {
    let checked = SweepFile::parse("sweep.toml", bytes, &Defaults::default());
    let errors = checked.mistakes.iter().filter(|mistake| mistake.is_error()).count();
    assert_eq!(checked.sweep.is_some(), errors == 0, "{:?}", checked.mistakes);
    let told = Look::PLAIN.show(&WrongFile { file: "sweep.toml".to_owned(), mistakes: checked.mistakes.clone() });
    assert!(!told.contains("Failed to read contents"), "{told}");
    for mistake in &checked.mistakes {
        assert!(mistake.place.as_ref().is_none_or(|place| place.line_and_column() >= (1, 1)));
        assert!(!mistake.help.is_empty(), "{mistake}");
    }
    if let Some(sweep) = &checked.sweep {
        assert!(Plan::of(sweep).segments >= 1);
        assert!(sweep.to_spec_json("/work")["plan"].is_array());
    }
    let (campaign, mistakes) = CampaignFile::parse("campaign.toml", bytes);
    assert_eq!(campaign.is_none(), mistakes.iter().any(|mistake| mistake.is_error()));
    checked
}

const RIGHT: &str = include_str!("files/design.toml");
const WRONG: &str = include_str!("files/many_mistakes.toml");

/// Pieces that sweeps are made of, right and wrong.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "name",
        "seed",
        "[objective]",
        "[method]",
        "[space]",
        "[trial]",
        "[[trial]]",
        "metric",
        "goal",
        "kind",
        "'hyperband'",
        "'grid'",
        "'single'",
        "'random'",
        "max_resource",
        "eta",
        "trials",
        "x",
        "y",
        "x.y",
        "=",
        "= {",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "\n",
        "uniform",
        "int",
        "choice",
        "log_int",
        "step",
        "when",
        "command",
        "['t', '{x}', ['{y}']]",
        "time",
        "'1h'",
        "environment",
        "nan",
        "-inf",
        "1e999",
        "0",
        "1",
        "2",
        "9223372036854775807",
        "-9223372036854775808",
        "0.5",
        "'é'",
        "\"\\u0000\"",
        "true",
        "1979-05-27",
        "'''",
        "#",
    ];
    proptest::sample::select(words.map(str::to_owned).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
    }

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(piece(), 0..80)) {
        read(pieces.join(" ").as_bytes());
    }

    #[test]
    fn a_sweep_with_some_bytes_changed(wrong: bool, changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = if wrong { WRONG } else { RIGHT }.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read(&bytes);
    }

    #[test]
    fn a_sweep_with_a_value_exchanged(line in any::<prop::sample::Index>(), value in piece()) {
        let mut lines: Vec<String> = RIGHT.lines().map(str::to_owned).collect();
        let at = line.index(lines.len());
        if let Some((key, _)) = lines[at].clone().split_once('=') {
            lines[at] = format!("{key}= {value}");
        }
        read(lines.join("\n").as_bytes());
    }

    #[test]
    fn a_sweep_cut_short(at in any::<prop::sample::Index>()) {
        read(&RIGHT.as_bytes()[..at.index(RIGHT.len())]);
    }
}

#[test]
fn large_files_of_nonsense_are_refused_in_reasonable_time_and_words() {
    let begun = std::time::Instant::now();
    for text in ["=\n".repeat(1 << 19), "a1".repeat(1 << 19), "[".repeat(1 << 20), "x='\n".repeat(1 << 18)] {
        let checked = read(text.as_bytes());
        assert!(checked.mistakes.len() <= 201);
    }
    let many = |line: &dyn Fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    read(many(&|at| format!("k{at} = 1\n")).as_bytes());
    read(format!("[space]\n{}", many(&|at| format!("k{at} = 1\n"))).as_bytes());
    read(format!("[space]\nx = {{ choice = [{}] }}", many(&|at| format!("{at},"))).as_bytes());
    read(format!("[trial]\ncommand = [{}]", many(&|_| "'{z}',".to_owned())).as_bytes());
    let chain: String = (1..500).map(|at| format!("k{at} = {{ choice = [1], when = {{ k{} = [1] }} }}\n", (at + 1) % 500)).collect();
    read(format!("[space]\n{chain}").as_bytes());
    assert!(begun.elapsed().as_secs() < 120, "{:?}", begun.elapsed());
}
