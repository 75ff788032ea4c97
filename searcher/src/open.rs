//! A campaign is driven only after it was found safe, since a tick executes what lies in it. To read it, permission is
//! enough. Neither is done where a newer version has taken it over.

use std::io;
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

/// The campaign in that directory, for who only reads: anyone who may. Nothing of it is executed.
pub fn to_read(directory: &Path) -> Result<Campaign, Failure> {
    let campaign = Campaign::at(directory.canonicalize().map_err(|error| refused(directory, &error))?);
    match campaign.sweeps().read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_campaign(directory, &"it has no sweeps/")),
        Err(error) => Err(refused(directory, &error)),
        Ok(_) => refuse_newer(&campaign).map(|()| campaign).map_err(Failure::from),
    }
}

/// Refuses a campaign that another user owns or may write. One that is not there yet is nobody else's.
pub fn owned(directory: &Path) -> Result<(), Failure> {
    if directory.exists() {
        check_campaign(&Campaign::at(directory))?;
    }
    Ok(())
}

/// The campaign in that directory, which must be there and be this user's: what lies in it may be executed.
pub fn existing(directory: &Path) -> Result<Campaign, Failure> {
    owned(directory)?;
    to_read(directory)
}

/// The campaign in that directory, made if it is not there.
pub fn or_new(directory: &Path) -> Result<Campaign, Failure> {
    let absolute = std::path::absolute(directory).map_err(|error| no_campaign(directory, &error))?;
    owned(&absolute)?;
    Campaign::at(absolute).create()?;
    existing(directory)
}

/// What ticks the campaign from this process.
pub fn searcher(campaign: Campaign) -> Result<Searcher, Failure> {
    let config = CampaignFile::load(&campaign.config())?;
    let binaries = Binaries::installed(&campaign)?;
    let mut clusters: Vec<Box<dyn Cluster>> = vec![Box::new(Local::new(binaries.clone()))];
    if slurm::is_here() {
        clusters.push(Box::new(SlurmCluster::new(binaries.clone(), config.lost_after, config.lease_takeover).map_err(Failure::bug)?));
    }
    let clusters = Clusters::new(clusters);
    Ok(Searcher::new(campaign, config, clusters, binaries))
}

fn refused(directory: &Path, error: &io::Error) -> Failure {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return no_campaign(directory, error);
    }
    Failure::say(
        FailureKind::Disk,
        format!("you may not read {}", directory.display()),
        "its owner lets a group read it with `chgrp -R GROUP` and `chmod -R g+rX`; what is made in it from then on may be read too",
    )
}

fn no_campaign(directory: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::say(
        FailureKind::NotFound,
        format!("there is no campaign at {}: {why}", directory.display()),
        "`bandmaster run` and `bandmaster submit` make one; name it with --campaign or BANDMASTER_CAMPAIGN",
    )
}
