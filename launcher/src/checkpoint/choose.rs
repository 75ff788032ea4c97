//! Which checkpoint a segment resumes: the furthest of its own lineage that verifies.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bandmaster_record::{Grant, PassedOver, Resource, Segment, SweepId};

use super::manifest::{Manifest, directory_name, parse_directory_name};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// The checkpoint to resume; `None` to begin from scratch.
    pub chosen: Option<Chosen>,
    /// Those further than that, and why they are not used.
    pub passed_over: Vec<PassedOver>,
}

/// A checkpoint that verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The resource at which it was taken.
    pub resource: Resource,
    /// Its directory.
    pub path: PathBuf,
}

/// Looks through `checkpoints`, a directory below `root`, from the furthest down, and reads the files of each candidate
/// until one verifies. It can take as long as reading the checkpoint takes.
pub fn choose(root: &Path, checkpoints: &Path, sweep: &SweepId, segment: &Segment) -> Choice {
    let mut choice = Choice::default();
    let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let mut candidates: Vec<(Resource, Grant)> = Vec::new();
    match fs::read_dir(checkpoints) {
        Ok(entries) => {
            candidates.extend(entries.flatten().filter_map(|entry| parse_directory_name(entry.file_name().to_str()?)));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            let why = format!("the directory cannot be listed: {error}");
            choice.passed_over.push(PassedOver { checkpoint: below(checkpoints), why });
        }
    }
    candidates.sort_unstable();
    for (resource, grant) in candidates.into_iter().rev().filter(|(resource, _)| *resource <= segment.target) {
        let path = checkpoints.join(directory_name(resource, grant));
        match fit(&path, resource, grant, sweep, segment) {
            Ok(()) => {
                choice.chosen = Some(Chosen { resource, path });
                break;
            }
            Err(why) => choice.passed_over.push(PassedOver { checkpoint: below(&path), why }),
        }
    }
    choice
}

/// Whether this segment may resume the checkpoint, and every byte of it is there. The error is a reason.
fn fit(path: &Path, resource: Resource, grant: Grant, sweep: &SweepId, segment: &Segment) -> Result<(), String> {
    let manifest = Manifest::read(path)?;
    if manifest.sweep != *sweep || manifest.attempt.trial != segment.attempt.trial {
        return Err(format!("it belongs to {}/{}", manifest.sweep, manifest.attempt.trial));
    }
    if manifest.resource != resource || manifest.attempt.grant != grant {
        return Err(format!("its manifest says {}", directory_name(manifest.resource, manifest.attempt.grant)));
    }
    if !segment.may_resume(manifest.attempt.rung, grant) {
        return Err(format!("grant {grant} of rung {} is not in the accepted lineage", manifest.attempt.rung));
    }
    // A trial that resumes at its target has nothing to train and must report at once. One that does not know that would
    // end without a result for ever: the grant after the one that published may try, later ones train again.
    if resource == segment.target && segment.attempt.grant > Grant(grant.0 + 1) {
        return Err(format!("it stands at the target {resource}, and a grant that might have resumed it had no result"));
    }
    manifest.verify(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::manifest::VERSION;
    use crate::checkpoint::publish::{Outcome, publish};
    use crate::checkpoint::tree::survey;
    use bandmaster_record::{AttemptNo, AttemptRef, LineageStep, Nonce, RungNo, Seconds, TrialId};

    struct Place {
        dir: tempfile::TempDir,
    }

    fn sweep() -> SweepId {
        "digits-1".parse().unwrap()
    }

    fn attempt(rung: u32, grant: u32) -> AttemptRef {
        AttemptRef { trial: TrialId(4), rung: RungNo(rung), grant: Grant(grant), attempt: AttemptNo(grant) }
    }

    impl Place {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap() }
        }

        fn checkpoints(&self) -> PathBuf {
            self.dir.path().join("checkpoints")
        }

        fn publish(&self, attempt: AttemptRef, resource: u64) -> Outcome {
            let ready = self.dir.path().join("x.ready");
            fs::create_dir(&ready).unwrap();
            fs::write(ready.join("model"), format!("at {resource}")).unwrap();
            let manifest = Manifest {
                v: VERSION,
                sweep: sweep(),
                attempt,
                nonce: Nonce::new("N1").unwrap(),
                resource: Resource(resource),
                files: survey(&ready).unwrap(),
                seconds: Seconds(0.1),
            };
            publish(&ready, &self.checkpoints(), &manifest).unwrap()
        }

        fn choose(&self, lineage: &[(u32, u32)], target: u64) -> Choice {
            let lineage = lineage.iter().map(|(rung, up_to)| LineageStep { rung: RungNo(*rung), up_to: Grant(*up_to) }).collect();
            let segment = Segment {
                attempt: attempt(1, 3),
                params: Default::default(),
                seed: 1,
                from: Resource(1),
                target: Resource(target),
                max_resource: Resource(9),
                lineage,
                predicted: None,
            };
            choose(self.dir.path(), &self.checkpoints(), &sweep(), &segment)
        }

        fn chosen(&self, lineage: &[(u32, u32)]) -> Option<u64> {
            self.choose(lineage, 3).chosen.map(|chosen| chosen.resource.0)
        }
    }

    #[test]
    fn the_furthest_of_the_lineage_that_verifies_is_resumed() {
        let place = Place::new();
        assert_eq!(place.choose(&[(0, 1)], 3), Choice::default());
        place.publish(attempt(0, 1), 1);
        place.publish(attempt(1, 1), 2);
        place.publish(attempt(1, 2), 3);
        // The segment's own grant is 3.
        assert_eq!(place.chosen(&[(0, 1), (1, 2)]), Some(3));
        assert_eq!(place.chosen(&[(0, 1), (1, 1)]), Some(2));
        assert_eq!(place.chosen(&[(0, 1)]), Some(1));
        assert_eq!(place.chosen(&[]), None);
        assert_eq!(place.choose(&[], 3).passed_over.len(), 3);
    }

    #[test]
    fn a_damaged_one_is_passed_over_and_told() {
        let place = Place::new();
        place.publish(attempt(0, 1), 1);
        place.publish(attempt(1, 1), 2);
        let file = place.checkpoints().join("2.g1/model");
        for (damage, word) in [("at", "bytes instead of"), ("at 3", "not those that were published")] {
            fs::write(&file, damage).unwrap();
            let choice = place.choose(&[(0, 1), (1, 1)], 3);
            assert_eq!(choice.chosen.unwrap().resource, Resource(1));
            assert_eq!(choice.passed_over[0].checkpoint, "checkpoints/2.g1");
            assert!(choice.passed_over[0].why.contains(word), "{}", choice.passed_over[0].why);
        }
        fs::write(&file, "at 2").unwrap();
        assert_eq!(place.chosen(&[(0, 1), (1, 1)]), Some(2));
        fs::write(place.checkpoints().join("2.g1/extra"), "").unwrap();
        assert_eq!(place.chosen(&[(0, 1), (1, 1)]), Some(1));
        fs::remove_dir_all(place.checkpoints().join("2.g1")).unwrap();
        fs::create_dir(place.checkpoints().join("2.g1")).unwrap();
        assert_eq!(place.chosen(&[(0, 1), (1, 1)]), Some(1));
    }

    #[test]
    fn another_trials_checkpoint_is_never_resumed() {
        let place = Place::new();
        place.publish(AttemptRef { trial: TrialId(5), ..attempt(1, 1) }, 2);
        let choice = place.choose(&[(0, 1), (1, 1)], 3);
        assert_eq!(choice.chosen, None);
        assert!(choice.passed_over[0].why.contains("digits-1/5"));
        fs::rename(place.checkpoints().join("2.g1"), place.checkpoints().join("3.g1")).unwrap();
        assert_eq!(place.choose(&[(0, 1), (1, 1)], 3).chosen, None);
    }

    #[test]
    fn a_renamed_checkpoint_does_not_pass_for_another_resource() {
        let place = Place::new();
        place.publish(attempt(1, 1), 2);
        fs::rename(place.checkpoints().join("2.g1"), place.checkpoints().join("3.g1")).unwrap();
        assert!(place.choose(&[(1, 1)], 3).passed_over[0].why.contains("2.g1"));
    }

    #[test]
    fn a_checkpoint_at_the_target_is_tried_by_one_grant_only() {
        let place = Place::new();
        place.publish(attempt(1, 1), 2);
        place.publish(attempt(1, 1), 3);
        let choice = place.choose(&[(0, 1), (1, 2)], 3);
        assert_eq!(choice.chosen.unwrap().resource, Resource(2));
        assert!(choice.passed_over[0].why.contains("had no result"));
    }

    #[test]
    fn one_resource_is_published_once_by_an_attempt() {
        let place = Place::new();
        assert!(matches!(place.publish(attempt(1, 1), 2), Outcome::Published { name, .. } if name == "2.g1"));
        assert!(matches!(place.publish(attempt(1, 1), 2), Outcome::Refused(why) if why.contains("already")));
    }

    #[test]
    fn a_directory_that_was_taken_away_is_refused_and_not_made_again() {
        let place = Place::new();
        let manifest = Manifest {
            v: VERSION,
            sweep: sweep(),
            attempt: attempt(1, 1),
            nonce: Nonce::new("N1").unwrap(),
            resource: Resource(2),
            files: Vec::new(),
            seconds: Seconds(0.0),
        };
        let outcome = publish(&place.dir.path().join("2.ready"), &place.checkpoints(), &manifest).unwrap();
        assert!(matches!(outcome, Outcome::Refused(why) if why.contains("taken over")));
        assert!(!place.checkpoints().exists());
    }
}
