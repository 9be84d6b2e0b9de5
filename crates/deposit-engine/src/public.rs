//! What somebody without an API key may see: a deposit whose id they were given.

use deposit_core::DepositId;
use deposit_store::Phase;

use crate::Engine;
use crate::error::EngineError;
use crate::view::DepositView;

impl Engine {
    /// An open deposit by our own id alone, for the paying person's page. The id of an order has 128 random bits, so knowing it is
    /// being entitled to see it; a provider's reference or a payment's hash is not accepted here, for those are known to others. The
    /// view holds nothing of the account.
    ///
    /// `None` for an id that is unknown or malformed, and for a deposit whose order was never shown to anybody.
    ///
    /// # Errors
    /// The store's.
    pub async fn public_deposit(&self, id: &str) -> Result<Option<DepositView>, EngineError> {
        let Ok(id) = DepositId::new(id) else { return Ok(None) };
        let row = self.store().deposit(&id).await?.filter(|row| row.phase == Phase::Open);
        Ok(row.as_ref().and_then(DepositView::of))
    }

    /// Whether money of this deposit waits for an operator: then its payer is told so, whatever the status says.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_looked_at(&self, id: &DepositId) -> Result<bool, EngineError> {
        Ok(self.store().in_review(id).await?)
    }
}
