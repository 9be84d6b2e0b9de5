//! The table of adapters: one line each. Everything that knows an adapter's name is made from it.

use std::fmt;

use deposit_core::ConfigError;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use crate::registry::Registry;

// name = "feature" => crate;
// The crate has `Config` and `build(Config) -> Result<Arc<dyn PaymentProvider>, ConfigError>`.
macro_rules! adapters {
    ($($name:ident = $feature:literal => $krate:ident;)*) => {
        /// The sections `[providers.*]`: an adapter with a section is on. A section of an adapter that is not compiled in is an error
        /// that names the feature; an unknown one lists the known.
        #[derive(Debug, Default)]
        #[non_exhaustive]
        pub struct ProvidersConfig {
            $(
                #[doc = concat!("`[providers.", $feature, "]`.")]
                #[cfg(feature = $feature)]
                pub $name: Option<$krate::Config>,
            )*
        }

        /// Names of all adapters of this project, compiled in or not.
        pub const ADAPTERS: &[&str] = &[$($feature),*];

        /// Names of the adapters that are compiled in.
        pub const COMPILED_IN: &[&str] = &[$(#[cfg(feature = $feature)] $feature),*];

        impl ProvidersConfig {
            /// Names of the adapters that have a section.
            #[must_use]
            pub fn configured(&self) -> Vec<&'static str> {
                #[allow(unused_mut)]
                let mut names = Vec::new();
                $(
                    #[cfg(feature = $feature)]
                    if self.$name.is_some() {
                        names.push($feature);
                    }
                )*
                names
            }

            /// Builds each configured adapter and registers it.
            ///
            /// # Errors
            /// A value that cannot work, by its key; two adapters that cannot stand side by side, by the second one's section.
            pub fn build(self) -> Result<Registry, ConfigError> {
                #[allow(unused_mut)]
                let mut builder = Registry::builder();
                $(
                    #[cfg(feature = $feature)]
                    if let Some(config) = self.$name {
                        builder = builder
                            .register($krate::build(config)?)
                            .map_err(|error| ConfigError::new(concat!("providers.", $feature), error.to_string()))?;
                    }
                )*
                Ok(builder.build())
            }

            /// Reads the section `name` from `map`.
            fn read_section<'de, M: MapAccess<'de>>(&mut self, name: &str, map: &mut M) -> Result<(), M::Error> {
                match name {
                    $($feature => {
                        #[cfg(feature = $feature)]
                        {
                            if self.$name.is_some() {
                                return Err(M::Error::duplicate_field($feature));
                            }
                            self.$name = Some(map.next_value()?);
                            Ok(())
                        }
                        #[cfg(not(feature = $feature))]
                        {
                            Err(not_compiled_in(map, $feature))
                        }
                    })*
                    other => Err(M::Error::unknown_field(other, ADAPTERS)),
                }
            }
        }
    };
}

adapters! {
    btcpay = "btcpay" => deposit_btcpay;
    promptcash = "promptcash" => deposit_promptcash;
    nanswap = "nanswap" => deposit_nanswap;
    zano = "zano" => deposit_zano;
    daimo = "daimo" => deposit_daimo;
    stripe = "stripe" => deposit_stripe;
    nano = "nano" => deposit_nano;
}

#[allow(dead_code, reason = "with all features nothing is left out")]
fn not_compiled_in<'de, M: MapAccess<'de>>(_: &mut M, feature: &str) -> M::Error {
    M::Error::custom(format_args!("`providers.{feature}`: not compiled in (feature `{feature}`)"))
}

impl<'de> Deserialize<'de> for ProvidersConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sections;

        impl<'de> Visitor<'de> for Sections {
            type Value = ProvidersConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table with a section for each provider")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<ProvidersConfig, M::Error> {
                let mut config = ProvidersConfig::default();
                while let Some(name) = map.next_key::<String>()? {
                    config.read_section(&name, &mut map)?;
                }
                Ok(config)
            }
        }

        deserializer.deserialize_map(Sections)
    }
}
