//! Settings of the server: addresses, proxies, limits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

use crate::config::args::Settings;
use crate::config::error::ConfigError;
use crate::config::file::{ConfigFile, FileKeys};
use crate::config::setting::{Setting, comma_separated};
use crate::config::value::{Kind, OFF};

const LISTEN: Kind<Vec<ListenAddress>> = Kind {
    expected: "an address and a port, such as `127.0.0.1:8080` or `[::]:80`, or `unix:` and a path; or a list of these",
    parse: listen_addresses,
};

const ADMIN_LISTEN: Kind<Option<ListenAddress>> = Kind {
    expected: "an address and a port, such as `127.0.0.1:8081`, or `unix:` and a path, or `off`",
    parse: |text| unless_off(text, ListenAddress::parse),
};

const TRUSTED_PROXIES: Kind<TrustedProxies> = Kind {
    expected: "networks such as `10.0.0.0/8`, addresses, `unix`, or `off`",
    parse: TrustedProxies::parse,
};

const MAX_CONNECTIONS: Kind<usize> = Kind {
    expected: "a number from 1 to 1000000",
    parse: |text| text.parse().ok().filter(|number| (1..=1_000_000).contains(number)),
};

const CLIENT_LIMIT: Kind<Option<u32>> = Kind {
    expected: "a number of requests from 1 to 10000, or `off`",
    parse: |text| {
        unless_off(text, |text| text.parse().ok().filter(|requests| (1..=10_000).contains(requests)))
    },
};

const ACCESS_LOG: Kind<Option<AccessLogFormat>> =
    Kind { expected: "`off`, `common` or `json`", parse: |text| unless_off(text, AccessLogFormat::parse) };

/// The settings of the server.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// The addresses of the public listeners.
    pub listen: Vec<ListenAddress>,
    /// The address of the admin listener, and `true` if it was configured.
    pub admin_listen: Option<(ListenAddress, bool)>,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// The largest number of simultaneous connections.
    pub max_connections: usize,
    /// The burst size of the rate limit per client and feed. One request is restored every `max_age`.
    pub client_limit: Option<u32>,
    /// The format of the access log. `None` if there is none.
    pub access_log: Option<AccessLogFormat>,
}

/// The format of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// The Common Log Format, with referrer and user agent.
    Common,
    /// One JSON object per line.
    Json,
}

impl ServeSettings {
    pub(super) fn resolve(
        flags: &mut Settings,
        keys: &mut FileKeys,
        file: &ConfigFile,
    ) -> Result<Self, ConfigError> {
        let setting = |flag, value, key| Setting::new(file, flag, value, key);
        let listen = keys.listen.take().map(comma_separated);
        let trusted_proxies = keys.trusted_proxies.take().map(comma_separated);
        Ok(Self {
            listen: setting("listen", flags.listen.take(), listen)
                .read(&LISTEN)?
                .unwrap_or_else(|| vec![ListenAddress::local(8080)]),
            admin_listen: match setting("admin-listen", flags.admin_listen.take(), keys.admin_listen.take())
                .read(&ADMIN_LISTEN)?
            {
                Some(configured) => configured.map(|address| (address, true)),
                None => Some((ListenAddress::local(8081), false)),
            },
            trusted_proxies: setting("trusted-proxies", flags.trusted_proxies.take(), trusted_proxies)
                .read(&TRUSTED_PROXIES)?
                .unwrap_or_default(),
            max_connections: setting(
                "max-connections",
                flags.max_connections.take(),
                keys.max_connections.take(),
            )
            .read(&MAX_CONNECTIONS)?
            .unwrap_or(10_000),
            client_limit: setting("client-limit", flags.client_limit.take(), keys.client_limit.take())
                .read(&CLIENT_LIMIT)?
                .flatten(),
            access_log: setting("access-log", flags.access_log.take(), keys.access_log.take())
                .read(&ACCESS_LOG)?
                .flatten(),
        })
    }

    /// Returns the keys that only a restart can change, each with `true` if it has the same value in `other`.
    pub fn fixed(&self, other: &Self) -> [(&'static str, bool); 4] {
        [
            ("listen", self.listen == other.listen),
            ("admin_listen", self.admin_listen == other.admin_listen),
            ("max_connections", self.max_connections == other.max_connections),
            ("access_log", self.access_log == other.access_log),
        ]
    }
}

impl AccessLogFormat {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "common" => Some(Self::Common),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Parses a value that may be `off`, which is `Some(None)`.
#[expect(clippy::option_option, reason = "an invalid value and `off` are two cases")]
fn unless_off<T>(text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text == OFF { Some(None) } else { parse(text).map(Some) }
}

/// The address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ListenAddress {
    /// Returns a port of the loopback interface.
    pub fn local(port: u16) -> Self {
        Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some(path) => (cfg!(unix) && !path.is_empty()).then(|| Self::Unix(path.into())),
            None => text.parse().ok().map(Self::Tcp),
        }
    }
}

/// Parses a list of addresses with commas.
fn listen_addresses(text: &str) -> Option<Vec<ListenAddress>> {
    text.split(',').map(|address| ListenAddress::parse(address.trim())).collect()
}

/// The proxies whose `X-Forwarded-For` is trusted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Set if all connections through a Unix socket come from a trusted proxy.
    pub unix: bool,
    networks: Vec<IpNet>,
}

impl TrustedProxies {
    /// Parses a list of networks with commas. An address is a network of its own.
    fn parse(text: &str) -> Option<Self> {
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

    /// Returns `true` if the address belongs to a trusted proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Returns the address at which a reader on the same machine reaches the first of the listeners.
pub(super) fn local_url(listen: &[ListenAddress]) -> Url {
    let first = listen.iter().find_map(|address| match address {
        ListenAddress::Tcp(address) => Some(*address),
        ListenAddress::Unix(_) => None,
    });
    // The address of the proxy in front of a Unix socket is unknown.
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
    fn addresses_and_networks_are_lists() {
        let shown = |text| {
            listen_addresses(text).map(|list| list.iter().map(ListenAddress::to_string).collect::<Vec<_>>())
        };
        assert_eq!(shown("127.0.0.1:80, [::]:8080").unwrap(), ["127.0.0.1:80", "[::]:8080"]);
        assert_eq!(shown("unix:/run/sower.sock").unwrap(), ["unix:/run/sower.sock"]);
        for wrong in ["", "localhost", "unix:", "1.2.3.4", "1.2.3.4:80,"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
        assert_eq!(TrustedProxies::parse("off"), Some(TrustedProxies::default()));
        assert_eq!(TrustedProxies::parse("10.0.0.0/40"), None);
        let proxies = TrustedProxies::parse("10.0.0.0/8, ::1,unix").unwrap();
        let contained =
            ["10.1.2.3", "::1", "11.0.0.0"].map(|address| proxies.contains(address.parse().unwrap()));
        assert_eq!((proxies.unix, contained), (true, [true, true, false]));
    }

    #[test]
    fn default_url_follows_the_first_tcp_address() {
        for (listen, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("0.0.0.0:99,127.0.0.1:5", "http://127.0.0.1:99/"),
            ("unix:/a,[::]:80", "http://[::1]/"),
            ("unix:/a", "http://127.0.0.1/"),
        ] {
            assert_eq!(local_url(&listen_addresses(listen).unwrap()).as_str(), url, "{listen}");
        }
    }
}
