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
    #[test]
    fn the_list_of_crash_points_is_complete() {
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        assert_eq!(bandmaster_journal::crash_points_in(&sources).unwrap(), super::CRASH_POINTS);
    }
}
