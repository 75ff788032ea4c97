//! "Did you mean …?" for a word that nobody knows.

/// The candidate that is most likely meant: at most a third of its letters differ (two letters swapped count once);
/// `-` and `_`, and upper and lower case, are the same here.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Beyond this a word is no slip of the pen.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&word, &plain(candidate));
    let near = |candidate: &&str| distance(candidate) <= (candidate.chars().count() / 3).max(1);
    candidates.into_iter().filter(|candidate| candidate.len() <= LONGEST).filter(near).min_by_key(distance)
}

/// The words in backticks, with commas.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// What to write instead of an unknown word: the nearest, or the list of all.
pub(crate) fn suggest(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if candidates.is_empty() => "remove it".to_owned(),
        None => format!("known here: {}", listed(candidates.iter().copied())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let keys = ["max_resource", "min_resource", "eta", "kind"];
        assert_eq!(nearest("max_ressource", keys), Some("max_resource"));
        assert_eq!(nearest("max-resource", keys), Some("max_resource"));
        assert_eq!(nearest("ETA", keys), Some("eta"));
        assert_eq!(nearest("knid", keys), Some("kind"));
        assert_eq!(nearest("colour", keys), None);
    }
}
