//! campaign.toml: limits of the campaign, and defaults for the sweeps in it. It need not exist.

use std::path::Path;

use bandmaster_record::Seconds;

use crate::sweepfile::{
    CheckpointSection, Mistake, Mistakes, Place, Section, SlurmSection, TrialSection, WrongFile, duration, keys, read_bytes, read_trial,
    source, table,
};

/// What stands in a sweep where its own file says nothing.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    pub(crate) trial: TrialSection,
    pub(crate) checkpoint: CheckpointSection,
    pub(crate) slurm: SlurmSection,
}

/// A campaign's settings.
#[derive(Debug, Clone)]
pub struct CampaignFile {
    /// After so long without a sign of life, a lease held on another host is taken over.
    pub lease_takeover: Seconds,
    /// Two listings of the cluster without a job, so far apart, are evidence that it is gone.
    pub lost_after: Seconds,
    /// How often Slurm is asked by `run` and `serve` when nothing else calls for a tick.
    pub poll: Seconds,
    /// For its sweeps.
    pub defaults: Defaults,
}

impl Default for CampaignFile {
    fn default() -> Self {
        Self { lease_takeover: Seconds(120.0), lost_after: Seconds(60.0), poll: Seconds(15.0), defaults: Defaults::default() }
    }
}

impl CampaignFile {
    /// Reads a campaign.toml; one that does not exist says nothing.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn load(path: &Path) -> Result<Self, WrongFile> {
        if matches!(path.try_exists(), Ok(false)) {
            return Ok(Self::default());
        }
        let (file, mistakes) = Self::check(path);
        file.ok_or_else(|| WrongFile { file: path.display().to_string(), mistakes })
    }

    /// Reads a campaign.toml that must exist, and says all that is to be said about it; `None` if something is wrong.
    pub fn check(path: &Path) -> (Option<Self>, Vec<Mistake>) {
        match read_bytes(path) {
            Ok(bytes) => Self::parse(&path.display().to_string(), &bytes),
            Err(mistake) => (None, vec![mistake]),
        }
    }

    /// Reads bytes that are called `name`; `None` if something is wrong.
    pub fn parse(name: &str, bytes: &[u8]) -> (Option<Self>, Vec<Mistake>) {
        let mistakes = Mistakes::default();
        let source = source(name, bytes, &mistakes);
        let table = table(&source, &mistakes);
        let root = Section::open("campaign.toml", table.get_ref(), Place::new(&source, 0..0), keys::CAMPAIGN, &mistakes);
        let file = read(&root);
        let wrong = mistakes.any();
        ((!wrong).then_some(file), mistakes.in_order())
    }
}

fn read(root: &Section<'_>) -> CampaignFile {
    let otherwise = CampaignFile::default();
    let seconds = |key, default| root.text_as(key, duration).map_or(default, |at| at.value);
    let trial = root.section("trial", "[trial]", keys::TRIAL);
    if let Some(section) = trial.as_ref().filter(|section| section.get("command").is_some()) {
        let message = "`command` belongs to a sweep: its placeholders are that sweep's parameters";
        section.mistakes.wrong(&section.place_of_key("command"), message, "move it to the sweep's own [trial]");
    }
    let trial = trial.as_ref().map(read_trial).unwrap_or_default();
    // Wrong here is wrong in every sweep, so that it is said here.
    trial.ranks(root.mistakes);
    CampaignFile {
        lease_takeover: seconds("lease_takeover", otherwise.lease_takeover),
        lost_after: seconds("lost_after", otherwise.lost_after),
        poll: seconds("poll", otherwise.poll),
        defaults: Defaults {
            trial,
            checkpoint: root
                .section("checkpoint", "[checkpoint]", keys::CHECKPOINT)
                .map(|section| CheckpointSection::read(&section))
                .unwrap_or_default(),
            slurm: root.section("slurm", "[slurm]", keys::SLURM).map(|section| SlurmSection::read(&section)).unwrap_or_default(),
        },
    }
}
