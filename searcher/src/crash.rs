//! The searcher's own crash points, by name: tests kill it at each.

/// All names that stand in this crate's sources.
pub const CRASH_POINTS: &[&str] = &[
    "binaries.rename",
    "local.spawn",
    "slurm.sbatch.after",
    "slurm.sbatch.before",
    "slurm.scancel.before",
    "submit.renamed",
    "submit.staged",
    "tick.acted",
    "tick.committed",
    "tick.decided",
    "tick.submit.after",
    "tick.submit.before",
    "tick.synced",
    "tick.takeover",
    "tick.unlink",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_crash_points_is_that_of_the_sources() {
        let mut found = Vec::new();
        let mut directories = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    let names = text.split("crash_point(\"").skip(1).filter_map(|rest| rest.split('"').next());
                    found.extend(names.filter(|name| !name.contains('(')).map(str::to_owned));
                }
            }
        }
        found.sort();
        found.dedup();
        assert_eq!(found, CRASH_POINTS);
    }
}
