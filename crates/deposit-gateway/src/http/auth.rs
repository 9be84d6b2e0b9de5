//! Who is calling: API keys from headers (never from the URL), and the client's address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::Request;
use deposit_core::Secret;
use deposit_engine::{Caller, Engine};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use ipnet::IpNet;

use super::body::{self, JSON_LIMIT, Unread};
use super::error::ApiError;

const API_KEY: &str = "x-api-key";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The key that a request carries.
#[derive(Debug)]
enum Presented {
    Nothing,
    /// Two that differ, or one that is no text.
    Unusable,
    Key(Secret),
}

/// Reads `Authorization: Bearer KEY` and `x-api-key: KEY`. The same key twice is fine.
fn presented(headers: &HeaderMap) -> Presented {
    let bearer = headers.get_all(AUTHORIZATION).iter().filter_map(|value| match value.to_str() {
        Ok(text) => {
            let (scheme, key) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
            scheme.eq_ignore_ascii_case("bearer").then(|| Some(key.trim()))
        }
        Err(_) => Some(None),
    });
    let plain = headers.get_all(API_KEY).iter().map(|value| value.to_str().ok().map(str::trim));
    let mut found: Option<&str> = None;
    for key in bearer.chain(plain) {
        match (key, found) {
            (None, _) => return Presented::Unusable,
            (Some(""), _) => {}
            (Some(key), Some(other)) if key != other => return Presented::Unusable,
            (Some(key), _) => found = Some(key),
        }
    }
    found.map_or(Presented::Nothing, |key| Presented::Key(Secret::new(key)))
}

/// Whose key the request carries.
///
/// # Errors
/// 401 for none or a wrong one; 500 where the store fails.
pub(crate) async fn authenticate(engine: &Engine, headers: &HeaderMap) -> Result<Caller, ApiError> {
    match presented(headers) {
        Presented::Nothing => Err(ApiError::missing_api_key()),
        Presented::Unusable => Err(ApiError::invalid_api_key()),
        Presented::Key(key) => match engine.authenticate(key.expose()).await {
            Ok(Some(caller)) => Ok(caller),
            Ok(None) => Err(ApiError::invalid_api_key()),
            Err(error) => Err(ApiError::from_engine(&error)),
        },
    }
}

/// The same for a call whose body says nothing: it is read to its end, so that the connection stays usable, and ignored.
///
/// # Errors
/// As [`authenticate`]; 413 for more than a body may have.
pub(crate) async fn caller_alone(engine: &Engine, request: Request) -> Result<Caller, ApiError> {
    let (parts, body) = request.into_parts();
    match authenticate(engine, &parts.headers).await {
        Err(error) => {
            body::discard(&parts.headers, body).await;
            Err(error)
        }
        Ok(_) if body::read(&parts.headers, body, JSON_LIMIT).await == Err(Unread::TooLarge) => {
            Err(ApiError::body_too_large(JSON_LIMIT))
        }
        Ok(caller) => Ok(caller),
    }
}

/// The client's address: the socket's, or, behind trusted proxies, the right-most address of `X-Forwarded-For` that is not a
/// trusted proxy's. What stands further left is the client's own claim.
pub(crate) fn client_ip(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let mut client = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
    if !is_trusted(&client) {
        return client;
    }
    let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().map(|v| v.to_str().unwrap_or("?")).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        // Not an address: nothing further left can be believed, the last proxy stands for its clients.
        let Some(ip) = hop_ip(hop.trim()) else { break };
        client = ip;
        if !is_trusted(&ip) {
            break;
        }
    }
    client
}

/// What requests of an address are counted as: of IPv4 the address, of IPv6 its /64, which is the least that one customer of a network has. A
/// mapped IPv4 address is that IPv4 address.
pub(crate) fn limiter_of(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("ip:{ip}"),
        IpAddr::V6(ip) => format!("ip:{}/64", Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    }
}

/// An address as proxies write it: bare, or with a port.
fn hop_ip(hop: &str) -> Option<IpAddr> {
    let bracketed = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let ip = bracketed.parse::<IpAddr>().or_else(|_| hop.parse::<SocketAddr>().map(|s| s.ip())).ok()?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn keys_from_both_headers() {
        let auth = "authorization";
        let rows: &[(&[(&str, &str)], &str)] = &[
            (&[], "nothing"),
            (&[(auth, "Bearer k1")], "k1"),
            (&[(auth, "bearer k1")], "k1"),
            (&[(auth, "BEARER   k1 ")], "k1"),
            (&[(API_KEY, "k1")], "k1"),
            (&[(auth, "Bearer k1"), (API_KEY, "k1")], "k1"),
            (&[(auth, "Bearer k1"), (API_KEY, "k2")], "unusable"),
            (&[(auth, "Bearer k1"), (auth, "Bearer k2")], "unusable"),
            (&[(API_KEY, "k1"), (API_KEY, "k2")], "unusable"),
            (&[(API_KEY, "k\u{e9}")], "unusable"),
            (&[(auth, "Bearer")], "nothing"),
            (&[(auth, "Bearer ")], "nothing"),
            (&[(API_KEY, "")], "nothing"),
            (&[(auth, "Basic azE6")], "nothing"),
            (&[(auth, "k1")], "nothing"),
            (&[(auth, "Basic azE6"), (API_KEY, "k1")], "k1"),
        ];
        for (lines, expected) in rows {
            let map: HeaderMap = {
                let mut map = HeaderMap::new();
                for (name, value) in *lines {
                    map.append(
                        http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                        HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                    );
                }
                map
            };
            let read = match presented(&map) {
                Presented::Nothing => "nothing".to_owned(),
                Presented::Unusable => "unusable".to_owned(),
                Presented::Key(key) => key.expose().to_owned(),
            };
            assert_eq!(read, *expected, "{lines:?}");
        }
    }

    #[test]
    fn a_network_of_one_customer_counts_as_one() {
        for (ip, limiter) in [
            ("203.0.113.7", "ip:203.0.113.7"),
            ("::ffff:203.0.113.7", "ip:203.0.113.7"),
            ("2001:db8:1:2::1", "ip:2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "ip:2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "ip:2001:db8:1:3::/64"),
            ("::1", "ip:::/64"),
        ] {
            assert_eq!(limiter_of(ip.parse().unwrap()), limiter, "{ip}");
        }
    }

    #[test]
    fn forwarded_addresses_count_only_from_trusted_proxies() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let ip = |peer: &str, lines: &[(&'static str, &'static str)]| {
            client_ip(Some(peer.parse().unwrap()), &headers(lines), &trusted).to_string()
        };
        let xff = FORWARDED_FOR;
        assert_eq!(ip("192.0.2.1:9", &[]), "192.0.2.1");
        assert_eq!(ip("192.0.2.1:9", &[(xff, "203.0.113.7")]), "192.0.2.1");
        assert_eq!(ip("10.0.0.1:9", &[(xff, "203.0.113.7")]), "203.0.113.7");
        assert_eq!(ip("10.0.0.1:9", &[(xff, "6.6.6.6, 203.0.113.7")]), "203.0.113.7");
        assert_eq!(ip("10.0.0.1:9", &[(xff, "6.6.6.6, 203.0.113.7, 10.2.2.2")]), "203.0.113.7");
        assert_eq!(ip("10.0.0.1:9", &[(xff, "6.6.6.6"), (xff, "203.0.113.7")]), "203.0.113.7");
        assert_eq!(ip("10.0.0.1:9", &[(xff, "203.0.113.7:4711")]), "203.0.113.7");
        assert_eq!(ip("10.0.0.1:9", &[(xff, "[2001:db8::1]:80")]), "2001:db8::1");
        assert_eq!(ip("10.0.0.1:9", &[(xff, "203.0.113.7, unknown")]), "10.0.0.1");
        assert_eq!(ip("10.0.0.1:9", &[(xff, "10.3.3.3")]), "10.3.3.3");
        assert_eq!(ip("10.0.0.1:9", &[]), "10.0.0.1");
        assert_eq!(ip("[::ffff:10.0.0.1]:9", &[(xff, "203.0.113.7")]), "203.0.113.7");
        assert_eq!(client_ip(None, &HeaderMap::new(), &trusted).to_string(), "0.0.0.0");
    }
}
