//! The user's own options of sbatch: which are refused since Bandmaster needs them itself, which stand for one of
//! ours, and which belong to every job of the user.

/// Options that Bandmaster needs itself, with their short forms, and what to do instead.
const OURS: &[(&str, Option<char>, &str)] = &[
    ("array", Some('a'), "leave it out: Bandmaster makes the arrays; `max_running` limits how many tasks run at once"),
    ("chdir", Some('D'), "leave it out: trials run in the directory of sweep.toml"),
    ("cluster", None, "leave it out: jobs are followed on the cluster that `sbatch` submits to by itself"),
    ("clusters", Some('M'), "leave it out: jobs are followed on the cluster that `sbatch` submits to by itself"),
    ("cpus-per-task", Some('c'), "write `cpus_per_rank` in [trial]"),
    ("error", Some('e'), "leave it out: `bandmaster logs` shows what a trial printed"),
    ("help", Some('h'), "leave it out"),
    ("input", Some('i'), "leave it out: a trial reads nothing from its standard input"),
    ("job-name", Some('J'), "leave it out: Bandmaster finds its jobs again by their names"),
    ("nodes", Some('N'), "write `ranks` and `ranks_per_node` in [trial]"),
    ("ntasks", Some('n'), "write `ranks` in [trial]"),
    ("ntasks-per-node", None, "write `ranks_per_node` in [trial]"),
    ("open-mode", None, "leave it out: logs are appended to, so that a requeued task keeps them"),
    ("output", Some('o'), "leave it out: `bandmaster logs` shows what a trial printed"),
    ("parsable", None, "leave it out"),
    ("quiet", Some('Q'), "leave it out: Bandmaster reads the job's id"),
    ("tasks-per-node", None, "write `ranks_per_node` in [trial]"),
    ("test-only", None, "leave it out: `bandmaster submit` asks Slurm first whether it would take the jobs"),
    ("usage", None, "leave it out"),
    ("version", Some('V'), "leave it out"),
    ("wait", Some('W'), "leave it out: `bandmaster run` waits for a sweep's end"),
    ("wrap", None, "leave it out: what a task runs stands in [trial]"),
];

/// Options whose names begin with a name of ours that is refused. They are taken.
const NOT_OURS: &[&str] = &["wait-all-nodes"];

/// Short options without a value: several may stand in one argument.
const FLAGS: &[char] = &['E', 'h', 'H', 'O', 'Q', 's', 'u', 'v', 'V', 'W'];

/// Options that say who pays and where: a job of the user's is not taken without them.
const EVERY_JOB: &[(&str, char)] = &[("account", 'A'), ("partition", 'p'), ("qos", 'q'), ("reservation", '\0'), ("wckey", '\0')];

/// An argument, as getopt reads it.
enum Written<'a> {
    /// `--name=value`, perhaps with only the beginning of the name.
    Long(&'a str),
    /// `-p value` and flags before it.
    Short(Vec<char>),
}

fn read(option: &str) -> Written<'_> {
    if let Some(long) = option.strip_prefix("--") {
        return Written::Long(long.split('=').next().unwrap_or_default());
    }
    let mut letters = Vec::new();
    for letter in option.strip_prefix('-').unwrap_or_default().chars() {
        letters.push(letter);
        if !FLAGS.contains(&letter) {
            // The rest is its value.
            break;
        }
    }
    Written::Short(letters)
}

/// What to do instead of that option; `None` if the user may give it.
pub fn refused(option: &str) -> Option<&'static str> {
    match read(option) {
        Written::Long(name) if NOT_OURS.iter().any(|taken| taken.starts_with(name) && name.len() > "wait".len()) => None,
        // getopt takes the beginning of a name for the whole.
        Written::Long(name) => OURS.iter().find(|(ours, ..)| ours.starts_with(name)).map(|(.., help)| *help),
        Written::Short(letters) => {
            OURS.iter().find(|(_, short, _)| short.is_some_and(|short| letters.contains(&short))).map(|(.., help)| *help)
        }
    }
}

/// Whether the option says itself what these options would: so ours is left out.
pub(super) fn says(option: &str, names: &[&str], short: Option<char>) -> bool {
    match read(option) {
        Written::Long(name) => names.iter().any(|ours| name.starts_with(ours)),
        Written::Short(letters) => short.is_some_and(|short| letters.last() == Some(&short)),
    }
}

/// Whether the option belongs to every job of the user, the small one for a tick too.
pub(super) fn belongs_to_every_job(option: &str) -> bool {
    EVERY_JOB.iter().any(|(name, short)| match read(option) {
        Written::Long(long) => long == *name,
        Written::Short(letters) => letters.last() == Some(short),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_bandmaster_needs_itself_is_refused_however_it_is_written() {
        for option in [
            "--array=0-3",
            "--arr=0",
            "-a0-3",
            "-a",
            "--job-name=x",
            "--job=x",
            "-Jx",
            "--parsable",
            "--wrap=id",
            "--test-only",
            "--wait",
            "-W",
            "--output=x",
            "-ox",
            "-e/dev/null",
            "--quiet",
            "-Q",
            "-HQ",
            "-vvW",
            "-HJx",
            "--clusters=a",
            "--cluster=a",
            "-Ma",
            "--chdir=/",
            "-D/",
            "--nodes=2",
            "-N2",
            "-n4",
            "-c2",
            "--=x",
            "--open-mode=truncate",
        ] {
            assert!(refused(option).is_some(), "{option}");
        }
    }

    #[test]
    fn all_else_is_the_users() {
        for option in [
            "--qos=low",
            "-qlow",
            "--account=a",
            "-Ax",
            "--constraint=a100&ib",
            "-Ca",
            "--gres=gpu:a100:2",
            "--mem=4G",
            "--time=5",
            "-t5",
            "--time-min=1",
            "--exclusive",
            "--exclude=n1",
            "--nodelist=n1",
            "-wn1",
            "--export=ALL",
            "--export-file=x",
            "--no-requeue",
            "--requeue",
            "--signal=B:USR1@90",
            "--nice=10",
            "--hold",
            "-H",
            "--wait-all-nodes=1",
            "--begin=now",
            "--dependency=after:1",
            "-d1",
            "--mail-type=END",
            "-pa",
            "-Lmatlab:1",
            "--ntasks-per-core=1",
            "--comment=--array",
        ] {
            assert_eq!(refused(option), None, "{option}");
        }
    }

    #[test]
    fn every_job_needs_who_pays_and_where() {
        for option in ["--account=a", "-Aa", "--qos=low", "-qlow", "--partition=p", "-pp", "--reservation=r"] {
            assert!(belongs_to_every_job(option), "{option}");
        }
        for option in ["--gres=gpu:1", "--exclusive", "--mem=4G", "--constraint=a", "--mail-type=ALL", "-H", "--time=1", "-"] {
            assert!(!belongs_to_every_job(option), "{option}");
        }
    }

    proptest! {
        #[test]
        fn no_option_panics(option in ".{0,12}") {
            let _ = (refused(&option), says(&option, &["mem"], None), belongs_to_every_job(&option));
        }
    }
}
