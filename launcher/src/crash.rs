//! The launcher's crash points, beside those of the journal crate: one before or behind everything that becomes durable
//! and everything that is started. The crash tests kill a slot or an agent at each of them.

/// Their names.
pub const CRASH_POINTS: &[&str] = &[
    "launch.agent.spawn",
    "launch.agent.spawned",
    "launch.answer",
    "launch.ask.spawn",
    "launch.ask.spawned",
    "launch.attempt.ended",
    "launch.claimed",
    "launch.log.made",
    "launch.owned",
    "launch.publish.manifest",
    "launch.publish.rename.after",
    "launch.publish.rename.before",
    "launch.publish.synced",
    "launch.slot.ended",
    "launch.slot.made",
    "launch.slot.started",
    "launch.staging.fenced",
    "launch.staging.made",
    "launch.tick.spawn",
    "launch.tick.spawned",
    "launch.trial.spawn",
    "launch.trial.spawned",
    "launch.wanted",
    "launch.wanted.left",
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_of_crash_points_is_complete() {
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        assert_eq!(bandmaster_journal::crash_points_in(&sources).unwrap(), super::CRASH_POINTS);
    }
}
