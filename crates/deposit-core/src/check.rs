//! What an adapter finds when it asks its provider whether all is set up: credentials, rights, settings, the webhook.

use std::borrow::Cow;

use crate::asset::ProviderId;
use crate::error::{ErrorKind, ProviderError};

/// What an adapter cannot know by itself and a check needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckContext {
    /// What providers are told to be the gateway's address, without a slash at the end; `None`: not known.
    pub public_url: Option<String>,
}

impl CheckContext {
    /// With the gateway's public address.
    ///
    /// ```
    /// use deposit_core::{CheckContext, ProviderId};
    /// let context = CheckContext::new("https://gw.example/");
    /// let url = context.webhook_url(ProviderId::constant("btcpay"));
    /// assert_eq!(url.as_deref(), Some("https://gw.example/webhooks/btcpay"));
    /// ```
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        let url = public_url.trim_end_matches('/');
        Self { public_url: (!url.is_empty()).then(|| url.to_owned()) }
    }

    /// Where this provider is to send its webhooks.
    #[must_use]
    pub fn webhook_url(&self, provider: ProviderId) -> Option<String> {
        self.public_url.as_ref().map(|url| format!("{url}/webhooks/{provider}"))
    }
}

/// Characters of what was seen.
const LONGEST_SEEN: usize = 200;

/// How one thing was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// As it has to be.
    Right,
    /// It works; the text says what is not covered this way, and what would cover it.
    Advice(String),
    /// Payers would find it; the text says what to change.
    Wrong(String),
    /// It could not be looked at; the text says why.
    Unknown(String),
}

impl CheckOutcome {
    /// `right`, `advice`, `wrong`, `unknown`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Advice(_) => "advice",
            Self::Wrong(_) => "wrong",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What to change, what is not covered, or why it could not be looked at.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Right => None,
            Self::Advice(text) | Self::Wrong(text) | Self::Unknown(text) => Some(text),
        }
    }
}

/// One thing that was looked at. None of its texts holds a secret or a provider's own text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckItem {
    /// A short name that stays the same: `credentials`, `right btcpay.store.canviewinvoices`, `webhook`.
    pub what: Cow<'static, str>,
    /// How it was found.
    pub outcome: CheckOutcome,
    /// What was seen: a version, a mode, an address.
    pub seen: Option<String>,
}

impl CheckItem {
    fn new(what: impl Into<Cow<'static, str>>, outcome: CheckOutcome) -> Self {
        Self { what: what.into(), outcome, seen: None }
    }

    /// As it has to be.
    #[must_use]
    pub fn right(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(what, CheckOutcome::Right)
    }

    /// It works, and something is not covered.
    #[must_use]
    pub fn advice(what: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self::new(what, CheckOutcome::Advice(text.into()))
    }

    /// Payers would find it.
    #[must_use]
    pub fn wrong(what: impl Into<Cow<'static, str>>, change: impl Into<String>) -> Self {
        Self::new(what, CheckOutcome::Wrong(change.into()))
    }

    /// It could not be looked at.
    #[must_use]
    pub fn unknown(what: impl Into<Cow<'static, str>>, why: impl Into<String>) -> Self {
        Self::new(what, CheckOutcome::Unknown(why.into()))
    }

    /// The same with what was seen. It may be a provider's word and goes to a terminal: control characters are left out, and what is
    /// longer than a line.
    #[must_use]
    pub fn seen(mut self, seen: impl AsRef<str>) -> Self {
        let shown = seen.as_ref().chars().filter(|c| !c.is_control()).take(LONGEST_SEEN);
        self.seen = Some(shown.collect());
        self
    }

    /// Whether payers would find it.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        matches!(self.outcome, CheckOutcome::Wrong(_))
    }

    /// What the first question failed by, one that wants nothing but an answer: then nothing else needs to be asked. `address` and
    /// `credential` are the keys of the configuration that may be wrong, without their section.
    #[must_use]
    pub fn of_first(error: &ProviderError, address: &str, credential: &str) -> Self {
        let section = format!("providers.{}", error.provider());
        match error.kind() {
            ErrorKind::Authentication => Self::wrong(
                "credentials",
                format!(
                    "the provider refuses `{section}.{credential}`: it was revoked, is misspelt, or is of another account; make a new one there and put it here"
                ),
            ),
            ErrorKind::Transient { retry_after: Some(_) } => {
                Self::unknown("reachable", "the provider asks to be left alone for a while: ask again later")
            }
            ErrorKind::Transient { retry_after: None } | ErrorKind::OutcomeUnknown => Self::wrong(
                "reachable",
                format!(
                    "no answer: is `{section}.{address}` right, does the provider run, and may this machine reach it?"
                ),
            ),
            ErrorKind::Rejected(_)
            | ErrorKind::NotFound
            | ErrorKind::Configuration
            | ErrorKind::Protocol
            | ErrorKind::Unsupported => Self::wrong(
                "reachable",
                format!(
                    "what answers at `{section}.{address}` is not the API of this provider: look at the address, and at a proxy before it"
                ),
            ),
        }
    }

    /// What a later question failed by: the provider is there and knows us, so it proves nothing about what was asked.
    #[must_use]
    pub fn of_later(what: impl Into<Cow<'static, str>>, error: &ProviderError) -> Self {
        Self::unknown(
            what,
            match error.kind() {
                ErrorKind::Authentication => "the credentials do not allow to look at it",
                ErrorKind::Transient { .. } | ErrorKind::OutcomeUnknown => {
                    "no answer to this: ask again later"
                }
                ErrorKind::Protocol => "the answer cannot be read",
                ErrorKind::Rejected(_)
                | ErrorKind::NotFound
                | ErrorKind::Configuration
                | ErrorKind::Unsupported => "the provider does not tell",
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Operation;

    fn failed(kind: ErrorKind) -> ProviderError {
        ProviderError::new(ProviderId::constant("btcpay"), Operation::Check, kind)
    }

    #[test]
    fn a_refused_key_and_a_dead_provider_are_wrong_and_a_busy_one_is_not() {
        let first = |kind| CheckItem::of_first(&failed(kind), "base_url", "api_key");
        let refused = first(ErrorKind::Authentication);
        assert_eq!(refused.what, "credentials");
        assert!(refused.is_wrong() && refused.outcome.text().unwrap().contains("`providers.btcpay.api_key`"));
        let dead = first(ErrorKind::Transient { retry_after: None });
        assert_eq!(dead.what, "reachable");
        assert!(dead.is_wrong() && dead.outcome.text().unwrap().contains("`providers.btcpay.base_url`"));
        assert!(first(ErrorKind::Configuration).is_wrong());
        let busy = first(ErrorKind::Transient { retry_after: Some(std::time::Duration::from_secs(1)) });
        assert!(matches!(busy.outcome, CheckOutcome::Unknown(_)));
    }

    #[test]
    fn a_later_failure_proves_nothing() {
        for kind in [ErrorKind::Authentication, ErrorKind::OutcomeUnknown, ErrorKind::Protocol] {
            let item = CheckItem::of_later("webhook", &failed(kind));
            assert_eq!((item.what.as_ref(), item.outcome.word()), ("webhook", "unknown"));
        }
    }

    #[test]
    fn a_provider_s_word_writes_no_terminal() {
        let item = CheckItem::right("server").seen(format!("\u{1b}[2J2.4.1\n{}", "x".repeat(500)));
        let seen = item.seen.unwrap();
        assert!(seen.starts_with("[2J2.4.1x") && seen.len() == LONGEST_SEEN, "{seen:?}");
    }

    #[test]
    fn no_address_no_webhook_url() {
        assert_eq!(CheckContext::new("").webhook_url(ProviderId::constant("stripe")), None);
        assert_eq!(CheckContext::default(), CheckContext::new("/"));
    }
}
