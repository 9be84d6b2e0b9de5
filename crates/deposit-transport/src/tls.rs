//! TLS by rustls with ring, independent of what the process has installed as its default provider.

use std::sync::{Arc, LazyLock};

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// Reading the operating system's certificates takes a while: once for all clients.
static CONFIG: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(build);

pub(crate) fn config() -> Result<ClientConfig, rustls::Error> {
    CONFIG.clone()
}

/// For a client of plain http.
pub(crate) fn without_certificates() -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn build() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    Ok(match Verifier::new(provider) {
        Ok(verifier) => builder
            .dangerous() // the name of the door to any verifier but the built-in one; this one checks everything
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        // A small container may have none. Plain http to a provider beside us still works; https is refused.
        Err(error) => {
            tracing::warn!(%error, "no certificates of the operating system: every https connection will fail");
            builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        }
    })
}
