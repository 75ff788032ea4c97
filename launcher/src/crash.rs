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
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    #[test]
    fn the_list_of_crash_points_is_complete() {
        let mut found = BTreeSet::new();
        let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(path).unwrap();
                let call = concat!("crash_point", "(\"");
                found.extend(text.split(call).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), super::CRASH_POINTS);
    }
}
