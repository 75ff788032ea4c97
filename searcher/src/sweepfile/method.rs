//! `[method]`: how trials are compared and how far each is trained.

use std::collections::BTreeMap;

use bandmaster_record::Resource;
use bandmaster_search::{Counts, Method};

use super::nearest::{listed, nearest};
use super::place::At;
use super::section::Section;

/// The kinds, and the keys of each beside those of all.
const KINDS: &[(&str, &[&str])] = &[
    ("single", &[]),
    ("grid", &[]),
    ("random", &["trials", "sampler"]),
    ("hyperband", &["min_resource", "eta", "counts", "repetitions", "sampler", "anchors"]),
];
/// The keys of all kinds.
const ALWAYS: &[&str] = &["kind", "max_resource", "unit"];
/// Kinds that are to come.
const LATER_KINDS: &[&str] = &["asha", "adaptive_asha", "pbt", "successive_halving"];
/// Keys that come with them.
const LATER_KEYS: &[&str] = &["divisor", "max_rungs", "mode"];
/// Resources are beyond no doubt up to here: TOML's whole numbers have 64 bits with a sign.
const ANY: std::ops::RangeInclusive<i64> = 1..=i64::MAX;

/// `[method]` as it was read.
pub(crate) struct MethodSection {
    /// Its kind, if it is one of ours, even where something else is wrong.
    pub(crate) kind: Option<&'static str>,
    /// The method, if nothing is wrong.
    pub(crate) method: Option<Method>,
    /// What one of a resource is called.
    pub(crate) unit: String,
}

/// Reads `[method]`.
pub(crate) fn read(section: &Section<'_>) -> MethodSection {
    section.must_have("kind");
    section.must_have("max_resource");
    for key in LATER_KEYS {
        section.not_yet(key, "it comes with the method `adaptive_asha`");
    }
    let kind = kind(section);
    if let Some((kind, own)) = kind {
        refuse_keys_of_others(section, kind, own);
    }
    if matches!(kind, Some(("random", _))) {
        section.must_have("trials");
    }
    if let Some(At { value, place }) = section.text("sampler")
        && value != "random"
    {
        let message = format!("`sampler` cannot be \"{value}\": only \"random\" is supported yet");
        section.mistakes.wrong(&place, message, "write `sampler = \"random\"`, or leave it out");
    }
    let unit = section.text_as("unit", |text| {
        let word = !text.trim().is_empty() && text.len() <= 32 && !text.chars().any(char::is_control);
        word.then(|| text.to_owned()).ok_or_else(|| "must be a word for people, of 32 letters at most".to_owned())
    });
    let whole = ["max_resource", "min_resource", "repetitions", "trials", "eta", "anchors"]
        .map(|key| (key, if key == "max_resource" || key == "min_resource" { resource(section, key) } else { number(section, key) }));
    let read = Read { numbers: whole.into_iter().collect(), counts: counts(section), section };
    read.compare();
    MethodSection {
        kind: kind.map(|(kind, _)| kind),
        method: kind.and_then(|(kind, _)| read.method(kind)),
        unit: unit.map_or_else(|| "resource".to_owned(), |at| at.value),
    }
}

fn kind(section: &Section<'_>) -> Option<(&'static str, &'static [&'static str])> {
    let At { value, place } = section.text("kind")?;
    if let Some(known) = KINDS.iter().find(|(kind, _)| *kind == value) {
        return Some(*known);
    }
    let names = || KINDS.iter().map(|(kind, _)| *kind);
    if LATER_KINDS.contains(&value.as_str()) {
        let help = format!("supported are {}", listed(names()));
        section.mistakes.wrong(&place, format!("the method `{value}` is not supported yet"), help);
    } else {
        let help = nearest(&value, names())
            .map_or_else(|| format!("write one of {}", listed(names())), |near| format!("did you mean \"{near}\"?"));
        section.mistakes.wrong(&place, format!("there is no method \"{value}\""), help);
    }
    None
}

fn refuse_keys_of_others(section: &Section<'_>, kind: &str, own: &[&str]) {
    for (key, _) in KINDS.iter().flat_map(|(_, keys)| keys.iter().map(|key| (*key, ()))).collect::<BTreeMap<_, _>>() {
        if section.get(key).is_some() && !own.contains(&key) {
            let users = listed(KINDS.iter().filter(|(_, keys)| keys.contains(&key)).map(|(kind, _)| *kind));
            let mine = listed(ALWAYS.iter().chain(own).copied());
            let help = format!("remove it; `{kind}` uses {mine}");
            section.mistakes.wrong(&section.place_of_key(key), format!("the method `{kind}` does not use `{key}`: {users} does"), help);
        }
    }
}

fn resource(section: &Section<'_>, key: &str) -> Option<At<u64>> {
    Some(section.whole(key, ANY)?.map(i64::unsigned_abs))
}

fn number(section: &Section<'_>, key: &str) -> Option<At<u64>> {
    let least = match key {
        "eta" => 2,
        "anchors" => 0,
        _ => 1,
    };
    Some(section.count(key, least)?.map(u64::from))
}

fn counts(section: &Section<'_>) -> Option<At<Counts>> {
    section.word("counts", &[("algorithm-1", Counts::Algorithm1), ("table-1", Counts::Table1)])
}

/// What stands in the section, each key by itself.
struct Read<'a> {
    numbers: BTreeMap<&'static str, Option<At<u64>>>,
    counts: Option<At<Counts>>,
    section: &'a Section<'a>,
}

impl Read<'_> {
    fn number(&self, key: &str) -> Option<&At<u64>> {
        self.numbers.get(key)?.as_ref()
    }

    /// The number, or what stands for it where the key is left out; `None` where it is wrong.
    fn or(&self, key: &str, default: u64) -> Option<u64> {
        if self.section.get(key).is_some() { self.number(key).map(|at| at.value) } else { Some(default) }
    }

    fn or_32(&self, key: &str, default: u64) -> Option<u32> {
        u32::try_from(self.or(key, default)?).ok()
    }

    /// What is wrong only together.
    fn compare(&self) {
        if let (Some(min), Some(max)) = (self.number("min_resource"), self.number("max_resource"))
            && min.value > max.value
        {
            let message = format!("`min_resource` is {} and above `max_resource`, which is {}", min.value, max.value);
            self.section.mistakes.wrong(&min.place, message, format!("write at most `min_resource = {}`", max.value));
        }
    }

    fn method(&self, kind: &str) -> Option<Method> {
        let max_resource = Resource(self.number("max_resource")?.value);
        match kind {
            "single" => Some(Method::Single { max_resource }),
            "grid" => Some(Method::Grid { max_resource }),
            "random" => Some(Method::Random { max_resource, trials: u32::try_from(self.number("trials")?.value).ok()? }),
            _ => Some(Method::Hyperband {
                max_resource,
                min_resource: Resource(self.or("min_resource", 1)?).min(max_resource),
                eta: self.or_32("eta", 3)?,
                counts: if self.section.get("counts").is_some() { self.counts.as_ref()?.value } else { Counts::default() },
                repetitions: self.or_32("repetitions", 1)?,
                anchors: self.or_32("anchors", 0)?,
            }),
        }
    }
}
