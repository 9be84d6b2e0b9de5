//! `DepositIntent`: what every kind of deposit has in common.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::asset::{ProviderId, Ticker};
use crate::ids::{DepositId, ProviderRef};
use crate::terms::Terms;

/// How to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PayInstructions {
    /// Send to an address of this order.
    Address {
        /// The address alone.
        address: String,
        /// Memo, tag or payment id that the chain needs; without it the money is lost.
        memo: Option<String>,
        /// The wallet link, with the amount.
        uri: Option<String>,
    },
    /// Pay a Lightning invoice.
    LightningInvoice {
        /// The BOLT11 text, lower case, without scheme.
        bolt11: String,
        /// The wallet link.
        uri: String,
    },
    /// Go to the provider's page.
    HostedPage {
        /// The page.
        url: String,
        /// The provider's own id of the payment, where the API shows it (Daimo).
        payment_id: Option<String>,
    },
    /// Send any amount at any time to the account's own address.
    StandingAddress {
        /// The address.
        address: String,
        /// The wallet link, without amount.
        uri: Option<String>,
    },
}

impl PayInstructions {
    /// The address, or the BOLT11 invoice.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Address { address, .. } | Self::StandingAddress { address, .. } => Some(address),
            Self::LightningInvoice { bolt11, .. } => Some(bolt11),
            Self::HostedPage { .. } => None,
        }
    }

    /// The link that a wallet or browser opens.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        match self {
            Self::Address { uri, .. } | Self::StandingAddress { uri, .. } => uri.as_deref(),
            Self::LightningInvoice { uri, .. } => Some(uri),
            Self::HostedPage { url, .. } => Some(url),
        }
    }

    /// The memo that the chain needs.
    #[must_use]
    pub fn memo(&self) -> Option<&str> {
        match self {
            Self::Address { memo, .. } => memo.as_deref(),
            Self::LightningInvoice { .. } | Self::HostedPage { .. } | Self::StandingAddress { .. } => None,
        }
    }
}

/// A deposit as a provider opened it: what every kind has in common. Adapters return their own types; the engine stores an
/// [`IntentRecord`] built from any of them.
pub trait DepositIntent: fmt::Debug + Send + Sync {
    /// Our id, which the provider was told where it takes one.
    fn deposit_id(&self) -> &DepositId;
    /// Who takes the money.
    fn provider(&self) -> ProviderId;
    /// What the provider calls the order.
    fn provider_ref(&self) -> &ProviderRef;
    /// The frozen terms, with locked rate and expiry.
    fn terms(&self) -> &Terms;
    /// How to pay.
    fn instructions(&self) -> &PayInstructions;

    /// The way of paying.
    fn ticker(&self) -> Ticker {
        self.terms().ticker
    }
}

/// An owned [`DepositIntent`]: what is stored.
///
/// ```
/// # use deposit_core::*;
/// fn store(intent: &dyn DepositIntent) -> IntentRecord { IntentRecord::from(intent) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentRecord {
    /// Our id.
    pub deposit_id: DepositId,
    /// Who takes the money.
    pub provider: ProviderId,
    /// What the provider calls the order.
    pub provider_ref: ProviderRef,
    /// The frozen terms.
    pub terms: Terms,
    /// How to pay.
    pub instructions: PayInstructions,
}

impl From<&dyn DepositIntent> for IntentRecord {
    fn from(intent: &dyn DepositIntent) -> Self {
        Self {
            deposit_id: intent.deposit_id().clone(),
            provider: intent.provider(),
            provider_ref: intent.provider_ref().clone(),
            terms: *intent.terms(),
            instructions: intent.instructions().clone(),
        }
    }
}

impl DepositIntent for IntentRecord {
    fn deposit_id(&self) -> &DepositId {
        &self.deposit_id
    }
    fn provider(&self) -> ProviderId {
        self.provider
    }
    fn provider_ref(&self) -> &ProviderRef {
        &self.provider_ref
    }
    fn terms(&self) -> &Terms {
        &self.terms
    }
    fn instructions(&self) -> &PayInstructions {
        &self.instructions
    }
}
