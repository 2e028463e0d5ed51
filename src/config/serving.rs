//! Where and whom to serve: addresses, proxies, limits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

use super::{ConfigError, File, OFF, Setting, joined};
use crate::config::args::Settings;

const ADDRESSES: &str =
    "an address and a port, such as `127.0.0.1:8080` or `[::]:80`, or `unix:` and a path; or a list of these";
const ADMIN_ADDRESS: &str =
    "an address and a port, such as `127.0.0.1:8081`, or `unix:` and a path, or `off`";

/// Where and whom to serve.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Where to serve.
    pub listen: Vec<Address>,
    /// Where to serve what only the operator should see, and whether that was chosen.
    pub admin_listen: Option<(Address, bool)>,
    /// Whose word is taken for a client's address.
    pub trusted_proxies: Proxies,
    /// Most connections at once.
    pub max_connections: usize,
    /// How many polls a client has for an address before it must wait; each `max_age` gives one
    /// back. None if nobody is limited.
    pub client_limit: Option<u32>,
    /// How each answer is logged.
    pub access_log: Option<AccessLog>,
}

/// How answers are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLog {
    /// The Common Log Format, with referrer and user agent.
    Common,
    /// A JSON object a line.
    Json,
}

impl Serving {
    pub(super) fn resolve<'a>(
        setting: impl Fn(&'static str, Option<String>, Option<String>) -> Setting<'a>,
        typed: &mut Settings,
        file: &mut File,
    ) -> Result<Self, ConfigError> {
        let list = |names: &mut Option<_>| names.take().map(joined);
        let listen = setting("listen", typed.listen.take(), list(&mut file.listen));
        let admin_listen = setting("admin-listen", typed.admin_listen.take(), file.admin_listen.take());
        let trusted_proxies =
            setting("trusted-proxies", typed.trusted_proxies.take(), list(&mut file.trusted_proxies));
        let max_connections =
            setting("max-connections", typed.max_connections.take(), file.max_connections.take());
        let client_limit = setting("client-limit", typed.client_limit.take(), file.client_limit.take());
        let access_log = setting("access-log", typed.access_log.take(), file.access_log.take());
        Ok(Self {
            listen: listen.read(ADDRESSES, addresses)?.unwrap_or_else(|| vec![Address::local(8080)]),
            admin_listen: admin_listen
                .read(ADMIN_ADDRESS, |text| {
                    unless_off(text, |text| Address::parse(text).map(|address| (address, true)))
                })?
                .unwrap_or_else(|| Some((Address::local(8081), false))),
            trusted_proxies: trusted_proxies
                .read("networks such as `10.0.0.0/8`, addresses, `unix`, or `off`", Proxies::parse)?
                .unwrap_or_default(),
            max_connections: max_connections
                .read("a number from 1 to 1000000", |text| {
                    text.parse().ok().filter(|number| (1..=1_000_000).contains(number))
                })?
                .unwrap_or(10_000),
            client_limit: client_limit
                .read("a number of polls from 1 to 10000, or `off`", |text| {
                    unless_off(text, |text| text.parse().ok().filter(|polls| (1..=10_000).contains(polls)))
                })?
                .flatten(),
            access_log: access_log
                .read("`off`, `common` or `json`", |text| unless_off(text, AccessLog::parse))?
                .flatten(),
        })
    }

    /// The keys that take effect at the start only, and whether each is as it was in another.
    pub fn fixed(&self, other: &Self) -> [(&'static str, bool); 4] {
        [
            ("listen", self.listen == other.listen),
            ("admin_listen", self.admin_listen == other.admin_listen),
            ("max_connections", self.max_connections == other.max_connections),
            ("access_log", self.access_log == other.access_log),
        ]
    }
}

impl AccessLog {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "common" => Some(Self::Common),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What a text says, which may be that there is to be none.
#[expect(clippy::option_option, reason = "what cannot be meant, and what is to be off, are two things")]
fn unless_off<T>(text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text == OFF { Some(None) } else { parse(text).map(Some) }
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// On an address and port.
    Tcp(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// A port that only this machine reaches.
    pub fn local(port: u16) -> Self {
        Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some(path) => (cfg!(unix) && !path.is_empty()).then(|| Self::Unix(path.into())),
            None => text.parse().ok().map(Self::Tcp),
        }
    }
}

/// A list of addresses, with commas.
pub(super) fn addresses(text: &str) -> Option<Vec<Address>> {
    text.split(',').map(|address| Address::parse(address.trim())).collect()
}

/// Proxies that are believed when they tell whom they ask for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Proxies {
    /// Whether those are that ask through a Unix socket.
    pub unix: bool,
    networks: Vec<IpNet>,
}

impl Proxies {
    /// A list of networks, with commas. An address is a network of its own.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut proxies = Self::default();
        for network in text.split(',').map(str::trim).filter(|_| text != OFF) {
            match network {
                "unix" => proxies.unix = true,
                _ => {
                    let address = || network.parse::<IpAddr>().ok().map(IpNet::from);
                    proxies.networks.push(network.parse().ok().or_else(address)?);
                }
            }
        }
        Some(proxies)
    }

    /// Whether an address is that of a proxy that is believed.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// The address at which a reader on the same machine reaches the first of these.
pub(super) fn local_url(listen: &[Address]) -> Url {
    let first = listen.iter().find_map(|address| match address {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    });
    // Behind a Unix socket there is a proxy, of which nothing is known.
    let mut reached = first.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 80)));
    if reached.ip().is_unspecified() {
        reached.set_ip(match reached {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    #[expect(clippy::expect_used, reason = "a socket address is always a valid authority")]
    Url::parse(&format!("http://{reached}/")).expect("a socket address is a valid authority")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_proxies() {
        let shown =
            |text| addresses(text).map(|list| list.iter().map(Address::to_string).collect::<Vec<_>>());
        assert_eq!(shown("127.0.0.1:80, [::]:8080").unwrap(), ["127.0.0.1:80", "[::]:8080"]);
        assert_eq!(shown("unix:/run/sower.sock").unwrap(), ["unix:/run/sower.sock"]);
        for wrong in ["", "localhost", "unix:", "1.2.3.4", "1.2.3.4:80,"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
        assert_eq!(Proxies::parse("off"), Some(Proxies::default()));
        assert_eq!(Proxies::parse("10.0.0.0/40"), None);
        let proxies = Proxies::parse("10.0.0.0/8, ::1,unix").unwrap();
        let contained =
            ["10.1.2.3", "::1", "11.0.0.0"].map(|address| proxies.contain(address.parse().unwrap()));
        assert_eq!((proxies.unix, contained), (true, [true, true, false]));
    }

    #[test]
    fn the_url_follows_the_first_address() {
        for (listen, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("0.0.0.0:99,127.0.0.1:5", "http://127.0.0.1:99/"),
            ("unix:/a,[::]:80", "http://[::1]/"),
            ("unix:/a", "http://127.0.0.1/"),
        ] {
            assert_eq!(local_url(&addresses(listen).unwrap()).as_str(), url, "{listen}");
        }
    }
}
