//! Whether what a sweep left behind agrees with itself.

use std::io;

use bandmaster_journal::{Campaign, nonce};
use bandmaster_ledger::{Reader, check, rebuild, same_rows};

use crate::World;

/// The ledger agrees with the journals, and a rebuilt one with both.
///
/// # Panics
/// If they do not.
pub fn assert_sound(world: &World) -> io::Result<()> {
    let campaign = Campaign::at(world.campaign());
    let report = check(&campaign, &campaign.ledger()).map_err(io::Error::other)?;
    assert!(report.is_clean(), "{report:?}");
    let rebuilt = world.path().join(format!("rebuilt-{}.db", nonce()));
    let (ledger, _) = rebuild(&campaign, &rebuilt, &mut ()).map_err(io::Error::other)?;
    let published = Reader::open(&campaign).map_err(io::Error::other)?;
    let differences = same_rows(published.connection(), ledger.connection()).map_err(io::Error::other)?;
    let told: Vec<_> = differences.iter().filter(|difference| !format!("{difference:?}").contains("_state")).collect();
    assert!(told.is_empty(), "{told:?}");
    Ok(())
}
