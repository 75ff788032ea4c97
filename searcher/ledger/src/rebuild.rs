//! The ledger made anew from the journals alone, by the same fold that lets it grow: so it is the same, row for row.

use std::path::Path;

use bandmaster_journal::Campaign;

use crate::{Folded, Ledger, LedgerError, Listener, fold};

/// Makes the ledger anew in the file `to`, which must not be there yet: all of it, or none. `listener` hears every
/// record, and at the end writes what goes with the rows. The caller publishes it.
pub fn rebuild(campaign: &Campaign, to: &Path, listener: &mut dyn Listener) -> Result<(Ledger, Folded), LedgerError> {
    let mut ledger = Ledger::create(to)?;
    let folded = ledger.fold_all(campaign, listener)?;
    Ok((ledger, folded))
}

impl Ledger {
    /// Folds everything into a ledger that holds nothing yet.
    pub(crate) fn fold_all(&mut self, campaign: &Campaign, listener: &mut dyn Listener) -> Result<Folded, LedgerError> {
        let mut transaction = self.begin()?;
        let folded = fold(campaign, &mut transaction, listener)?;
        listener.complete(&mut transaction)?;
        transaction.commit()?;
        Ok(folded)
    }
}
