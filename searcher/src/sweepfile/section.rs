//! A table of the file, read strictly: every key is known, or is a mistake; every value has the type that its key
//! takes, or is a mistake. Reading goes on after each.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key};
use super::mistake::Mistakes;
use super::nearest::{listed, nearest};
use super::place::{At, Place};
use super::value::{self, kind_of};

/// A table being read.
pub(crate) struct Section<'a> {
    /// How messages call it: `[method]`.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) place: Place,
    /// Where mistakes go.
    pub(crate) mistakes: &'a Mistakes,
    table: &'a DeTable<'a>,
    keys: &'static [Key],
}

impl<'a> Section<'a> {
    /// Begins to read a table: keys that are not among `keys` are mistakes.
    pub(crate) fn open(
        name: impl Into<String>,
        table: &'a DeTable<'a>,
        place: Place,
        keys: &'static [Key],
        mistakes: &'a Mistakes,
    ) -> Self {
        let section = Self { name: name.into(), place, mistakes, table, keys };
        let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let word = key.get_ref().as_ref();
            let help = match (nearest(word, known.iter().copied()), keys::section_with(word)) {
                (_, Some(home)) if home != section.name => format!("it belongs to {home}"),
                (Some(near), _) => format!("did you mean `{near}`?"),
                _ => format!("{} knows {}", section.name, listed(known.iter().copied())),
            };
            mistakes.wrong(&section.place.elsewhere(key.span()), format!("unknown key `{word}` in {}", section.name), help);
        }
        section
    }

    /// The value of a key, if the key is there.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// The place of a key's value; that of the section where the key is not there.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        self.get(key).map_or_else(|| self.place.clone(), |value| self.place.elsewhere(value.span()))
    }

    /// The place of the key itself.
    pub(crate) fn place_of_key(&self, key: &str) -> Place {
        self.table.get_key_value(key).map_or_else(|| self.place.clone(), |(key, _)| self.place.elsewhere(key.span()))
    }

    /// `key = example`, as one writes it.
    pub(crate) fn example(&self, key: &str) -> String {
        let example = self.keys.iter().find(|known| known.name == key).map_or("…", |known| known.example);
        format!("write `{key} = {example}`")
    }

    /// Says that a key must be there, unless it was meant by one that nobody knows.
    pub(crate) fn must_have(&self, key: &str) {
        let known = |word: &str| self.keys.iter().any(|known| known.name == word);
        let mut unknown = self.table.keys().map(|word| word.get_ref().as_ref()).filter(|word| !known(word));
        if self.get(key).is_none() && !unknown.any(|word| nearest(word, [key]).is_some()) {
            self.mistakes.absent(&self.place, format!("`{key}` is missing in {}", self.name), self.example(key));
        }
    }

    fn take<T>(&self, key: &str, read: impl FnOnce(&DeValue<'a>) -> Result<T, String>) -> Option<At<T>> {
        let place = self.place_of(key);
        match read(self.get(key)?.get_ref()) {
            Ok(value) => Some(At { value, place }),
            Err(why) => {
                self.mistakes.wrong(&place, format!("`{key}` {why}"), self.example(key));
                None
            }
        }
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Option<At<String>> {
        self.take(key, value::text)
    }

    /// A text that `read` understands; its error is the rest of a sentence that begins with the key.
    pub(crate) fn text_as<T>(&self, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<At<T>> {
        self.take(key, |value| value::text(value).and_then(|text| read(&text)))
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<At<T>> {
        let At { value: text, place } = self.text(key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(At { value: *value, place });
        }
        let all = words.iter().map(|(word, _)| *word);
        let help = match nearest(&text, all.clone()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write one of {}", all.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")),
        };
        self.mistakes.wrong(&place, format!("`{key}` cannot be \"{text}\""), help);
        None
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&self, key: &str, bounds: RangeInclusive<i64>) -> Option<At<i64>> {
        self.take(key, |value| match value::whole(value)? {
            number if bounds.contains(&number) => Ok(number),
            number if number < *bounds.start() => Err(format!("must be at least {}, and is {number}", bounds.start())),
            number => Err(format!("must be at most {}, and is {number}", bounds.end())),
        })
    }

    /// A whole number of 32 bits, at least `least`.
    pub(crate) fn count(&self, key: &str, least: u32) -> Option<At<u32>> {
        let at = self.whole(key, i64::from(least)..=i64::from(u32::MAX))?;
        u32::try_from(at.value).ok().map(|value| At { value, place: at.place })
    }

    /// An array, with its elements.
    pub(crate) fn array(&self, key: &str) -> Option<At<Vec<At<&'a DeValue<'a>>>>> {
        let place = self.place_of(key);
        match self.get(key)?.get_ref() {
            DeValue::Array(elements) => {
                let at = |element: &'a Spanned<DeValue<'a>>| At { value: element.get_ref(), place: place.elsewhere(element.span()) };
                Some(At { value: elements.iter().map(at).collect(), place })
            }
            other => {
                self.mistakes.wrong(&place, format!("`{key}` must be an array, and is {}", kind_of(other)), self.example(key));
                None
            }
        }
    }

    /// An array of texts.
    pub(crate) fn texts(&self, key: &str) -> Option<At<Vec<At<String>>>> {
        let At { value: elements, place } = self.array(key)?;
        let read = |element: At<&DeValue<'_>>| match value::text(element.value) {
            Ok(text) => Some(At { value: text, place: element.place }),
            Err(why) => {
                self.mistakes.wrong(&element.place, format!("each element of `{key}` {why}"), self.example(key));
                None
            }
        };
        Some(At { value: elements.into_iter().filter_map(read).collect(), place })
    }

    /// The entries of a table whose keys are not ours, in the order of the file.
    pub(crate) fn entries(&self, key: &str) -> Option<Vec<(At<&'a str>, At<&'a DeValue<'a>>)>> {
        match self.get(key)?.get_ref() {
            DeValue::Table(table) => Some(entries(table, &self.place)),
            other => {
                self.mistakes.wrong(&self.place_of(key), format!("`{key}` must be a table, and is {}", kind_of(other)), self.example(key));
                None
            }
        }
    }

    /// A table within this one whose keys are ours.
    pub(crate) fn section(&self, key: &str, name: &str, keys: &'static [Key]) -> Option<Section<'a>> {
        let place = self.place_of(key);
        match self.get(key)?.get_ref() {
            DeValue::Table(table) => Some(Section::open(name, table, place, keys, self.mistakes)),
            other => {
                let (why, help) = match other {
                    DeValue::Array(_) if key == "objective" => {
                        ("several objectives are not supported yet".to_owned(), "write one `[objective]`".to_owned())
                    }
                    other => (format!("`{key}` must be a table, and is {}", kind_of(other)), self.example(key)),
                };
                self.mistakes.wrong(&place, why, help);
                None
            }
        }
    }

    /// Refuses a key whose feature is still to come.
    pub(crate) fn not_yet(&self, key: &str, what: &str) {
        if self.get(key).is_some() {
            self.mistakes.wrong(&self.place_of_key(key), format!("`{key}` is not supported yet: {what}"), format!("remove `{key}`"));
        }
    }
}

/// A table's entries in the order of the file.
pub(crate) fn entries<'a>(table: &'a DeTable<'a>, near: &Place) -> Vec<(At<&'a str>, At<&'a DeValue<'a>>)> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| {
            let key_at = At { value: key.get_ref().as_ref(), place: near.elsewhere(key.span()) };
            (key_at, At { value: value.get_ref(), place: near.elsewhere(value.span()) })
        })
        .collect();
    entries.sort_by_key(|(key, _)| key.place.range().start);
    entries
}
