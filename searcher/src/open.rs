//! A campaign is opened only after it was found safe, since a tick executes what lies in it, and only if no newer version
//! has taken it over.

use std::path::Path;

use bandmaster_journal::{Campaign, check_campaign};
use bandmaster_ledger::refuse_newer;

use crate::binaries::Binaries;
use crate::campaignfile::CampaignFile;
use crate::cluster::Cluster;
use crate::cluster::local::Local;
use crate::cluster::slurm::{self, SlurmCluster};
use crate::failure::{Failure, FailureKind};
use crate::tick::{Clusters, Searcher};

/// The campaign in that directory, which must be there.
pub fn existing(directory: &Path) -> Result<Campaign, Failure> {
    let root = directory.canonicalize().map_err(|error| no_campaign(directory, &error))?;
    let campaign = Campaign::at(root);
    if !campaign.sweeps().is_dir() {
        return Err(no_campaign(directory, &"it has no sweeps/"));
    }
    check_campaign(&campaign)?;
    refuse_newer(&campaign)?;
    Ok(campaign)
}

/// The campaign in that directory, made if it is not there.
pub fn or_new(directory: &Path) -> Result<Campaign, Failure> {
    let absolute = std::path::absolute(directory).map_err(|error| no_campaign(directory, &error))?;
    Campaign::at(absolute).create()?;
    existing(directory)
}

/// What ticks the campaign from this process.
pub fn searcher(campaign: Campaign) -> Result<Searcher, Failure> {
    let config = CampaignFile::load(&campaign.config())?;
    let binaries = Binaries::installed(&campaign)?;
    let mut clusters: Vec<Box<dyn Cluster>> = vec![Box::new(Local::new(binaries.clone()))];
    if slurm::is_here() {
        clusters.push(Box::new(SlurmCluster::new(binaries.clone(), config.lost_after).map_err(Failure::bug)?));
    }
    let clusters = Clusters::new(clusters);
    Ok(Searcher::new(campaign, config, clusters, binaries))
}

fn no_campaign(directory: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::say(
        FailureKind::NotFound,
        format!("there is no campaign at {}: {why}", directory.display()),
        "`bandmaster run` and `bandmaster submit` make one; name it with --campaign or BANDMASTER_CAMPAIGN",
    )
}
