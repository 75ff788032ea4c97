//! What squeue is asked, and how its answer is read: one line a job or task, of all states, as long as Slurm has it.
//!
//! A job's name may hold any character, and the reason may be a site's sentence. So records and fields are separated
//! by the characters that ASCII has for it, and the name comes last.

use std::collections::BTreeMap;

use bandmaster_record::{JobId, Timestamp};

use super::state::JobState;

/// Before each record.
const RECORD: char = '\u{1e}';
/// Between two fields.
const FIELD: char = '\u{1f}';

/// Array's job id, index, own job id, state, reason, start, nodes, name.
const FORMAT: &str = "\u{1e}%F\u{1f}%K\u{1f}%A\u{1f}%T\u{1f}%r\u{1f}%S\u{1f}%N\u{1f}%j";

/// The arguments: all jobs of a user, in hidden partitions too, each array task on a line of its own.
pub fn arguments(uid: u32) -> Vec<String> {
    let uid = uid.to_string();
    ["-h", "-r", "-a", "-t", "all", "-u", &uid, "-o", FORMAT].map(str::to_owned).to_vec()
}

/// A job, or a task of an array, that Slurm still has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The array's job id; for a job that is no array its own.
    pub job: JobId,
    /// The index in the array.
    pub index: Option<u32>,
    /// The job id that it has for itself.
    pub own: JobId,
    /// What it is doing.
    pub state: JobState,
    /// Why it waits, or why it ended; in Slurm's words.
    pub reason: String,
    /// When it began, or is expected to.
    pub start: Option<Timestamp>,
    /// Its nodes, as Slurm abbreviates them.
    pub nodes: String,
    /// The job's name.
    pub name: String,
}

/// An answer that is no listing. What cannot be read in full says nothing about what is absent from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("squeue's answer cannot be read: {why}")]
pub struct Unreadable {
    /// What is wrong with it.
    pub why: String,
}

/// All jobs of the user that Slurm still has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    jobs: BTreeMap<JobId, BTreeMap<Option<u32>, Queued>>,
}

impl Listing {
    /// The tasks of an array that have a row of their own, by their indices.
    pub fn tasks(&self, array: &JobId) -> impl Iterator<Item = (u32, &Queued)> {
        self.jobs.get(array).into_iter().flatten().filter_map(|(index, task)| index.map(|index| (index, task)))
    }

    /// One task of an array: its own row, or that of the array, which stands for all tasks without one.
    ///
    /// Tasks that were cancelled before they began may have only the latter, and it does not say which they are.
    pub fn task(&self, array: &JobId, index: u32) -> Option<&Queued> {
        let rows = self.jobs.get(array)?;
        rows.get(&Some(index)).or_else(|| rows.get(&None))
    }

    /// A job that is no array; or the row of an array that stands for all tasks without one of their own.
    pub fn job(&self, job: &JobId) -> Option<&Queued> {
        self.jobs.get(job)?.get(&None)
    }

    /// The job or array of that name.
    pub fn find(&self, name: &str) -> Option<&JobId> {
        self.iter().find(|queued| queued.name == name).map(|queued| &queued.job)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.jobs.values().flat_map(BTreeMap::values)
    }
}

/// Reads squeue's answer.
///
/// # Errors
/// It is no complete listing.
pub fn parse(text: &str) -> Result<Listing, Unreadable> {
    let mut listing = Listing::default();
    // What comes before the first record is a remark of the site's, if anything.
    let Some((_, records)) = text.split_once(RECORD) else { return Ok(listing) };
    let records = records.strip_suffix('\n').ok_or_else(|| Unreadable { why: "it stops in the middle of a line".to_owned() })?;
    // The separator may stand within a name: only at the beginning of a line it begins a record.
    for record in records.split("\n\u{1e}") {
        let queued = queued(record).ok_or_else(|| Unreadable { why: format!("in \"{}\"", start_of(record)) })?;
        listing.jobs.entry(queued.job.clone()).or_default().insert(queued.index, queued);
    }
    Ok(listing)
}

fn queued(record: &str) -> Option<Queued> {
    let mut fields = record.splitn(8, FIELD);
    let mut next = || fields.next();
    Some(Queued {
        job: JobId::new(next()?.trim()).ok()?,
        index: match next()?.trim() {
            "N/A" => None,
            index => Some(index.parse().ok()?),
        },
        own: JobId::new(next()?.trim()).ok()?,
        state: JobState::parse(next()?),
        reason: next()?.trim().to_owned(),
        start: seconds(next()?),
        nodes: next()?.trim().to_owned(),
        name: next()?.to_owned(),
    })
}

/// A time that Slurm was asked to write as seconds since 1970; none where it says so in a word.
pub(super) fn seconds(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok().and_then(|seconds: i64| seconds.checked_mul(1000)).map(Timestamp)
}

fn start_of(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(fields: [&str; 8]) -> String {
        format!("\u{1e}{}\n", fields.join("\u{1f}"))
    }

    fn id(text: &str) -> JobId {
        text.parse().unwrap()
    }

    /// What squeue of Slurm 22.05.8 wrote.
    const REAL: &str = include_str!("testdata/squeue-22.05.8");

    #[test]
    fn a_real_listing_is_read() {
        let listing = parse(REAL).unwrap();
        assert_eq!(listing.iter().count(), 23);
        let array = listing.find("digits-1.10.01YYY").unwrap();
        let states: Vec<_> = listing.tasks(array).map(|(index, task)| (index, task.state.to_string())).collect();
        let expected = [(0, "RUNNING"), (1, "CANCELLED"), (2, "RUNNING"), (3, "PENDING")];
        assert_eq!(states, expected.map(|(index, state)| (index, state.to_owned())));
        let third = listing.task(array, 2).unwrap();
        assert_eq!((third.nodes.as_str(), third.start), ("n1", Some(Timestamp(1_795_539_692_000))));
        assert_eq!(listing.task(array, 3).unwrap().reason, "JobArrayTaskLimit");
        let tick = listing.job(listing.find("digits-1.10.01YYY.tick").unwrap()).unwrap();
        assert_eq!((tick.state.clone(), tick.reason.as_str()), (JobState::Pending, "Dependency"));
        assert_eq!(listing.job(&id("45")).unwrap().name, "a|b\nc");
        assert_eq!(listing.job(&id("43")).unwrap().reason, "launch failed requeued held");
    }

    #[test]
    fn the_row_of_an_array_stands_for_tasks_that_never_began() {
        let listing = parse(REAL).unwrap();
        // The second of `five` waited, with three others, when all of them were cancelled.
        let five = listing.find("five").unwrap();
        assert_eq!(listing.task(five, 0).unwrap().nodes, "n2");
        assert_eq!(listing.task(five, 2).map(|task| (task.index, task.state.clone())), Some((None, JobState::Cancelled)));
        assert_eq!(listing.task(&id("46"), 9), None);
    }

    #[test]
    fn an_array_is_found_by_its_id_and_its_name() {
        let text = line(["9", "0", "10", "RUNNING", "None", "1770000000", "n1", "digits-1.3.01ABC"])
            + &line(["9", "1", "9", "PENDING", "Resources", "N/A", "", "digits-1.3.01ABC"])
            + &line(["12", "N/A", "12", "PENDING", "Dependency", "N/A", "", "digits-1.3.01ABC.tick"]);
        let listing = parse(&text).unwrap();
        assert_eq!(listing.find("digits-1.3.01ABC"), Some(&id("9")));
        assert_eq!(listing.find("digits-1.3.01ABC.tick"), Some(&id("12")));
        assert_eq!(listing.find("digits-1.3"), None);
        assert_eq!(listing.tasks(&id("9")).map(|(index, task)| (index, task.own.as_str())).collect::<Vec<_>>(), [(0, "10"), (1, "9")]);
        assert_eq!(listing.task(&id("9"), 0).unwrap().start, Some(Timestamp(1_770_000_000_000)));
        assert_eq!((listing.job(&id("12")).unwrap().index, listing.job(&id("9"))), (None, None));
        assert_eq!(listing.tasks(&id("12")).count(), 0);
    }

    #[test]
    fn nothing_is_a_listing() {
        assert_eq!(parse(""), Ok(Listing::default()));
        assert_eq!(parse("Welcome to the cluster\n"), Ok(Listing::default()));
    }

    #[test]
    fn a_name_may_hold_anything() {
        for name in ["a|b", "a b", "%j", "", "a\u{1f}b", "a\u{1e}b", "a\nb", "\n", "ü", "'\"$(x)"] {
            let text = line(["9", "N/A", "9", "RUNNING", "a | b", "1", "n[1-4]", name]) + &line(["8", "N/A", "8", "?", "", "", "", "x"]);
            let listing = parse(&text).unwrap();
            assert_eq!(listing.job(&id("9")).unwrap().name, name);
            assert_eq!(listing.iter().count(), 2, "{name:?}");
        }
    }

    #[test]
    fn a_listing_that_was_cut_is_none() {
        let text = line(["9", "0", "10", "RUNNING", "None", "1", "n1", "x"]) + &line(["9", "1", "9", "PENDING", "", "", "", "xyz"]);
        let whole = text.len();
        for cut in 1..whole {
            let parsed = parse(&text[..cut]);
            // At the end of a line nobody can tell; squeue's exit status does.
            assert_eq!(parsed.is_ok(), text[..cut].ends_with('\n'), "{:?}", &text[..cut]);
        }
    }

    #[test]
    fn an_index_that_is_none_is_no_absent_task() {
        assert!(parse(&line(["9", "0-3", "9", "PENDING", "", "", "", "x"])).is_err());
        assert!(parse(&line(["", "0", "9", "PENDING", "", "", "", "x"])).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_panics(text in any::<Vec<u8>>()) {
            let _ = parse(&String::from_utf8_lossy(&text));
        }

        #[test]
        fn no_damaged_answer_panics(at in 0..60_usize, with in ".{0,3}") {
            let mut text = line(["9", "0", "10", "RUNNING", "None", "1770000000", "n1", "name"]);
            if text.is_char_boundary(at.min(text.len())) {
                text.insert_str(at.min(text.len()), &with);
            }
            let _ = parse(&text);
        }
    }
}
