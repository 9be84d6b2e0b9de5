//! The three currencies, and the step between Stripe's smallest unit and ours.
//!
//! An explicit list, all with two decimals at Stripe: zero- and three-decimal currencies, where the same integer would mean
//! a hundred times more or a tenth, are not in it and cannot be configured in.

use deposit_core::{Amount, Asset, CreditRule, ErrorKind, Ticker, TickerKind, TickerSpec};

/// A currency that is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Currency {
    pub(crate) ticker: Ticker,
    pub(crate) asset: Asset,
    /// Lower case, as on the wire.
    pub(crate) code: &'static str,
    /// Smallest charge in cents (dossier, section 2). The settlement currency may ask for more: then Stripe refuses.
    pub(crate) minimum: u64,
}

/// Decimals of all three, at Stripe.
const DECIMALS: u8 = 2;
/// Largest charge: eight digits of the smallest unit.
pub(crate) const MAXIMUM: u64 = 99_999_999;

impl Currency {
    pub(crate) const ALL: &'static [Self] = &[
        Self { ticker: Ticker::USD, asset: Asset::USD, code: "usd", minimum: 50 },
        Self { ticker: Ticker::EUR, asset: Asset::EUR, code: "eur", minimum: 50 },
        Self { ticker: Ticker::GBP, asset: Asset::GBP, code: "gbp", minimum: 30 },
    ];

    pub(crate) fn of(ticker: Ticker) -> Option<&'static Self> {
        Self::ALL.iter().find(|currency| currency.ticker == ticker)
    }

    pub(crate) fn spec(&self) -> TickerSpec {
        let spec = |credit| {
            TickerSpec::new(self.ticker, self.asset, TickerKind::Card, credit)
                .with_quote_decimals(DECIMALS)
                .confirming_only_full()
        };
        if self.asset == Asset::USD {
            spec(CreditRule::one_to_one()).quoted_one_to_one()
        } else {
            spec(CreditRule::at_rate_of(self.ticker))
        }
    }

    /// Of the asset's smallest units in one cent.
    fn step(&self) -> u128 {
        10_u128.pow(u32::from(self.asset.scale().saturating_sub(DECIMALS)))
    }

    /// What is asked for, in cents; what Stripe would refuse or cannot say is refused here.
    pub(crate) fn cents(&self, amount: Amount) -> Result<u64, ErrorKind> {
        if amount.asset() != self.asset {
            return Err(ErrorKind::Rejected("wrong_asset"));
        }
        if amount.is_zero() {
            // Stripe would take it and call it done: `no_payment_required`.
            return Err(ErrorKind::Rejected("amount_zero"));
        }
        if !amount.minor().is_multiple_of(self.step()) {
            return Err(ErrorKind::Rejected("amount_precision"));
        }
        match u64::try_from(amount.minor() / self.step()) {
            Ok(cents) if cents < self.minimum => Err(ErrorKind::Rejected("amount_too_small")),
            Ok(cents) if cents <= MAXIMUM => Ok(cents),
            _ => Err(ErrorKind::Rejected("amount_too_large")),
        }
    }

    /// Stripe's figure in the asset.
    pub(crate) fn amount(&self, cents: u64) -> Amount {
        Amount::new(u128::from(cents).saturating_mul(self.step()), self.asset)
    }

    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.eq_ignore_ascii_case(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cents(ticker: Ticker, text: &str) -> Result<u64, ErrorKind> {
        let currency = Currency::of(ticker).unwrap();
        currency.cents(Amount::parse(text, currency.asset).unwrap())
    }

    #[test]
    fn an_amount_is_asked_for_to_the_cent() {
        for ticker in [Ticker::USD, Ticker::EUR, Ticker::GBP] {
            assert_eq!(cents(ticker, "25"), Ok(2_500), "{ticker}: not a factor of 100 off");
            assert_eq!(cents(ticker, "12.34"), Ok(1_234));
            assert_eq!(cents(ticker, "999999.99"), Ok(99_999_999));
            assert_eq!(cents(ticker, "1000000"), Err(ErrorKind::Rejected("amount_too_large")));
            assert_eq!(cents(ticker, "0"), Err(ErrorKind::Rejected("amount_zero")));
            assert_eq!(cents(ticker, "0.29"), Err(ErrorKind::Rejected("amount_too_small")));
        }
        assert_eq!(cents(Ticker::USD, "0.50"), Ok(50));
        assert_eq!(cents(Ticker::USD, "0.49"), Err(ErrorKind::Rejected("amount_too_small")));
        assert_eq!(cents(Ticker::GBP, "0.30"), Ok(30));
        assert_eq!(cents(Ticker::USD, "1.001"), Err(ErrorKind::Rejected("amount_precision")));
        let euro = Amount::parse("5", Asset::EUR).unwrap();
        let usd = Currency::of(Ticker::USD).unwrap();
        assert_eq!(usd.cents(euro), Err(ErrorKind::Rejected("wrong_asset")));
        let huge = Amount::new(u128::MAX - u128::MAX % 1_000_000, Asset::USD);
        assert_eq!(usd.cents(huge), Err(ErrorKind::Rejected("amount_too_large")));
    }

    #[test]
    fn how_each_is_quoted_and_credited() {
        let spec = |ticker| Currency::of(ticker).unwrap().spec();
        assert_eq!((spec(Ticker::USD).quoted_by, spec(Ticker::USD).credit), (None, CreditRule::one_to_one()));
        for ticker in [Ticker::EUR, Ticker::GBP] {
            assert_eq!(spec(ticker).quoted_by, Some(ticker));
            assert_eq!(spec(ticker).credit, CreditRule::at_rate_of(ticker));
        }
        assert!(Currency::ALL.iter().all(|currency| {
            let spec = currency.spec();
            spec.confirms_only_full && spec.kind == TickerKind::Card && spec.quote_decimals == 2
        }));
        assert!(Currency::of(Ticker::BTC).is_none());
    }

    proptest! {
        #[test]
        fn cents_come_back(cents in 50_u64..=MAXIMUM, n in 0_usize..3) {
            let currency = &Currency::ALL[n];
            let amount = currency.amount(cents);
            prop_assert_eq!(currency.cents(amount), Ok(cents));
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            prop_assert_eq!(Amount::parse(&text, currency.asset).unwrap(), amount);
        }
    }
}
