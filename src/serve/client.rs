//! The address of the client behind a request.

use std::net::IpAddr;

use hyper::HeaderMap;

use crate::config::TrustedProxies;

/// The address of a client, or `None` on a Unix socket.
pub(super) type Client = Option<IpAddr>;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Returns the client of a request, given the peer of its connection. If that is a trusted proxy, the client is the
/// last address in `X-Forwarded-For` that is not one: each proxy appends the address that it was connected from.
pub(super) fn behind_proxies(peer: Client, headers: &HeaderMap, proxies: &TrustedProxies) -> Client {
    let is_trusted = |peer: Client| peer.map_or(proxies.unix, |address| proxies.contains(address));
    let mut client = peer.map(|address| address.to_canonical());
    if !is_trusted(client) {
        return client;
    }
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    for hop in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| hop_address(hop.trim())) else {
            break;
        };
        client = Some(address.to_canonical());
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// Parses an address, to which some proxies append the port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let proxies = Config::sample("trusted_proxies: [10.0.0.0/8, unix]").serving.trusted_proxies;
        for (peer, forwarded, expected) in [
            (Some("192.0.2.1"), &[][..], Some("192.0.2.1")),
            (Some("192.0.2.1"), &["198.51.100.7"], Some("192.0.2.1")),
            (Some("10.0.0.1"), &["198.51.100.7"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["203.0.113.9, 198.51.100.7, 10.0.0.2"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["203.0.113.9", "198.51.100.7"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["198.51.100.7:4711"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["[2001:db8::1]:4711"], Some("2001:db8::1")),
            (Some("10.0.0.1"), &["198.51.100.7, unknown"], Some("10.0.0.1")),
            (Some("10.0.0.1"), &["203.0.113.9, \u{e4}, 198.51.100.7"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["198.51.100.7, \u{e4}"], Some("10.0.0.1")),
            (Some("::ffff:10.0.0.1"), &["198.51.100.7"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &[], Some("10.0.0.1")),
            (None, &["198.51.100.7"], Some("198.51.100.7")),
            (None, &[], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append(X_FORWARDED_FOR, line.parse().unwrap());
            }
            let peer = peer.map(|peer| peer.parse().unwrap());
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(behind_proxies(peer, &headers, &proxies), expected, "{peer:?} {forwarded:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, "192.0.2.1".parse().unwrap());
        assert_eq!(behind_proxies(None, &headers, &TrustedProxies::default()), None);
    }
}
