//! Whom a request is from, when it came through proxies.
//!
//! What `X-Forwarded-For`, `X-Forwarded-Proto` and `Forwarded` say is taken from proxies that the
//! settings name, and from nobody else: whoever connects could write anything there. The host is
//! never taken from a request: links are made from `base_url`. Spec: RFC 7239.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::config::address_range::AddressRange;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Proxies that a request may have come through.
const HOPS_MAX: usize = 32;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The address of the client: the nearest one that is no trusted proxy.
    pub address: IpAddr,
    /// Whether a trusted proxy took it from the client unencrypted.
    pub was_plain: bool,
}

/// Where a request comes from that came over a connection from `peer`.
pub fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[AddressRange]) -> Source {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let direct = Source {
        address: peer.to_canonical(),
        was_plain: false,
    };
    if !is_trusted(peer) {
        return direct;
    }
    let hops = hops(headers);
    let mut address = direct.address;
    let mut was_plain = false;
    // Each proxy puts whom it heard from at the end, so the end is what the trusted ones wrote.
    for hop in hops.iter().rev().take(HOPS_MAX) {
        was_plain = hop.is_plain;
        let Some(named) = hop.address else {
            // Hidden or unreadable: the proxy that wrote it stands for whoever is behind it.
            break;
        };
        address = named;
        if !is_trusted(named) {
            break;
        }
    }
    Source { address, was_plain }
}

/// Whether a request says that it was forwarded, whoever wrote that.
pub fn claims_to_be(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED)
}

struct Hop {
    address: Option<IpAddr>,
    is_plain: bool,
}

/// From the client to the nearest proxy. `Forwarded` wins where both are there.
fn hops(headers: &HeaderMap) -> Vec<Hop> {
    if headers.contains_key(FORWARDED) {
        return elements(headers, &FORWARDED).map(hop_of_element).collect();
    }
    let protocols: Vec<_> = elements(headers, &X_FORWARDED_PROTO).collect();
    let is_plain = |at: usize, count: usize| {
        // One for each hop, or one for all of them.
        let named = if protocols.len() == count {
            protocols.get(at)
        } else {
            protocols.last()
        };
        named.is_some_and(|name| name.eq_ignore_ascii_case("http"))
    };
    let addresses: Vec<_> = elements(headers, &X_FORWARDED_FOR).collect();
    let count = addresses.len();
    let hops = addresses.iter().enumerate().map(|(at, text)| Hop {
        address: address(text),
        is_plain: is_plain(at, count),
    });
    let hops: Vec<_> = hops.collect();
    if hops.is_empty() && is_plain(0, 1) {
        return vec![Hop {
            address: None,
            is_plain: true,
        }];
    }
    hops
}

fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
        .map(str::trim)
}

/// `for=192.0.2.60;proto=http;by=203.0.113.43`
fn hop_of_element(element: &str) -> Hop {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut hop = Hop {
        address: None,
        is_plain: false,
    };
    for (name, value) in pairs {
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = address(value),
            "proto" => hop.is_plain = value.eq_ignore_ascii_case("http"),
            _ => {}
        }
    }
    hop
}

/// An address, with or without a port: `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    let address: IpAddr = bare.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::source;

    fn seen(peer: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let source = source(peer.parse().unwrap(), &map, &trusted);
        (source.address.to_string(), source.was_plain)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (name, value) in [
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1;proto=http"),
            ("x-forwarded-proto", "http"),
        ] {
            let seen = seen("203.0.113.9", &[(name, value)]);
            assert_eq!(seen, ("203.0.113.9".to_owned(), false), "{name}");
        }
    }

    type Case = (&'static [(&'static str, &'static str)], &'static str, bool);

    const CASES: &[Case] = &[
        (&[("x-forwarded-for", "192.0.2.1")], "192.0.2.1", false),
        // What the client wrote itself stands before what the proxy added.
        (
            &[("x-forwarded-for", "127.0.0.1, 192.0.2.1")],
            "192.0.2.1",
            false,
        ),
        (
            &[
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-for", "192.0.2.1"),
            ],
            "192.0.2.1",
            false,
        ),
        (
            &[("x-forwarded-for", "192.0.2.1, 10.1.1.1")],
            "192.0.2.1",
            false,
        ),
        (&[("x-forwarded-for", "192.0.2.1:4711")], "192.0.2.1", false),
        (
            &[("x-forwarded-for", "192.0.2.1, nonsense")],
            "10.0.0.1",
            false,
        ),
        (&[("x-forwarded-for", "10.9.9.9")], "10.9.9.9", false),
        (&[("x-forwarded-proto", "http")], "10.0.0.1", true),
        (
            &[
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-proto", "http"),
            ],
            "192.0.2.1",
            true,
        ),
        (
            &[
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-proto", "https"),
            ],
            "192.0.2.1",
            false,
        ),
        (
            &[
                ("x-forwarded-for", "192.0.2.1, 10.1.1.1"),
                ("x-forwarded-proto", "http, https"),
            ],
            "192.0.2.1",
            true,
        ),
        (
            &[("forwarded", "for=\"[2001:db8::7]:4711\";proto=https")],
            "2001:db8::7",
            false,
        ),
        (
            &[("forwarded", "for=127.0.0.1, For=192.0.2.1; Proto=HTTP")],
            "192.0.2.1",
            true,
        ),
        (&[("forwarded", "for=_hidden")], "10.0.0.1", false),
        (
            &[
                ("forwarded", "for=192.0.2.1"),
                ("x-forwarded-for", "127.0.0.1"),
            ],
            "192.0.2.1",
            false,
        ),
        (&[], "10.0.0.1", false),
    ];

    #[test]
    fn the_client_is_the_nearest_that_is_no_proxy() {
        for (headers, address, was_plain) in CASES {
            assert_eq!(
                seen("10.0.0.1", headers),
                ((*address).to_owned(), *was_plain),
                "{headers:?}"
            );
        }
        assert_eq!(
            seen("fd00::1", &[("x-forwarded-for", "2001:db8::1")]),
            ("2001:db8::1".to_owned(), false)
        );
    }
}
