//! The command line, exactly as typed. What it means is decided in [`crate::config`].

use std::path::PathBuf;

use clap::{Args as ArgGroup, Parser, Subcommand, ValueEnum, ValueHint};

/// Publishes RSS, Atom and JSON feeds from a directory of seeds.
#[derive(Debug, Parser)]
#[command(name = "sower", version, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the seeds, publish, serve
    Serve(Settings),
    /// Publish once into the feeds directory
    Build(Settings),
    /// Read the seeds and show every fault with its line
    Check {
        /// Count unknown keys and missing dates as faults
        #[arg(long)]
        strict: bool,
        /// How to report: text or json
        #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
        format: Format,
        /// Settings shared with the other commands.
        #[command(flatten)]
        settings: Settings,
    },
    /// Tell which feeds carry an entry, or why none does
    Why {
        /// Its address, its seed's path, its id, or its title or a part of it
        #[arg(value_name = "ADDRESS, PATH OR TITLE")]
        what: String,
        /// Settings shared with the other commands.
        #[command(flatten)]
        settings: Settings,
    },
    /// Write a starting sower.yaml and a first seed
    Init {
        /// Where to
        #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// How `check` reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For machines
    Json,
}

/// Everything that can be set in more than one place. Empty variables count as not set.
#[derive(Debug, Default, Clone, ArgGroup)]
pub struct Settings {
    /// Configuration file [default: sower.yaml, if there is one]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, env = "SOWER_CONFIG", hide_env_values = true)]
    pub config: Option<String>,
    /// Directory of the seeds [default: seeds]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, env = "SOWER_SEEDS", hide_env_values = true)]
    pub seeds: Option<String>,
    /// Fields that topics are taken from besides `topics`, such as `tags` [default: off]
    #[arg(long, value_name = "FIELD,…", env = "SOWER_TOPIC_FIELDS", hide_env_values = true)]
    pub topic_fields: Option<String>,
    /// Whether text in these fields is words, each a topic [default: false]
    #[arg(long, value_name = "BOOL", env = "SOWER_TOPIC_WORDS", hide_env_values = true)]
    pub topic_words: Option<String>,
    /// Topic of seeds that name none [default: such seeds are faults]
    #[arg(long, value_name = "NAME", env = "SOWER_DEFAULT_TOPIC", hide_env_values = true)]
    pub default_topic: Option<String>,
    /// Link of seeds without one, as in `https://example.org/posts/{name}/` [default: none]
    #[arg(long, value_name = "URL", env = "SOWER_PERMALINK", hide_env_values = true)]
    pub permalink: Option<String>,
    /// How changes are noticed: events, or poll for network file systems [default: events]
    #[arg(long, value_name = "HOW", env = "SOWER_WATCH", hide_env_values = true)]
    pub watch: Option<String>,
    /// Directory that mirrors what is served, or `off` [default: feeds]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, env = "SOWER_FEEDS", hide_env_values = true)]
    pub feeds: Option<String>,
    /// Where readers reach the publication [default: http:// and the address of --listen]
    #[arg(long, value_name = "URL", env = "SOWER_URL", hide_env_values = true)]
    pub url: Option<String>,
    /// Addresses to serve on, with a port each, or `unix:PATH` [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS,…", env = "SOWER_LISTEN", hide_env_values = true)]
    pub listen: Option<String>,
    /// Where to serve health and metrics, or `off` [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS", env = "SOWER_ADMIN_LISTEN", hide_env_values = true)]
    pub admin_listen: Option<String>,
    /// Networks of proxies whose X-Forwarded-For is believed [default: off]
    #[arg(long, value_name = "NETWORK,…", env = "SOWER_TRUSTED_PROXIES", hide_env_values = true)]
    pub trusted_proxies: Option<String>,
    /// Most connections at once [default: 10000]
    #[arg(long, value_name = "NUMBER", env = "SOWER_MAX_CONNECTIONS", hide_env_values = true)]
    pub max_connections: Option<String>,
    /// Polls of a feed that a client has in store; each max-age gives one back [default: off]
    #[arg(long, value_name = "NUMBER", env = "SOWER_CLIENT_LIMIT", hide_env_values = true)]
    pub client_limit: Option<String>,
    /// Log each answer on standard output: off, common or json [default: off]
    #[arg(long, value_name = "FORMAT", env = "SOWER_ACCESS_LOG", hide_env_values = true)]
    pub access_log: Option<String>,
    /// Title of the publication [default: Feeds]
    #[arg(long, value_name = "TEXT", env = "SOWER_TITLE", hide_env_values = true)]
    pub title: Option<String>,
    /// Language of the publication [default: en]
    #[arg(long, value_name = "TAG", env = "SOWER_LANGUAGE", hide_env_values = true)]
    pub language: Option<String>,
    /// Who owns the rights, as in `© 2026 The Garden` [default: nobody says]
    #[arg(long, value_name = "TEXT", env = "SOWER_COPYRIGHT", hide_env_values = true)]
    pub copyright: Option<String>,
    /// Small square picture of the publication [default: none]
    #[arg(long, value_name = "URL", env = "SOWER_ICON", hide_env_values = true)]
    pub icon: Option<String>,
    /// Large picture of the publication, twice as wide as high [default: none]
    #[arg(long, value_name = "URL", env = "SOWER_LOGO", hide_env_values = true)]
    pub logo: Option<String>,
    /// Entries of a feed, the newest [default: 50]
    #[arg(long, value_name = "NUMBER", env = "SOWER_ENTRIES", hide_env_values = true)]
    pub entries: Option<String>,
    /// Archive documents, one for each month, of feeds with more entries [default: true]
    #[arg(long, value_name = "BOOL", env = "SOWER_ARCHIVES", hide_env_values = true)]
    pub archives: Option<String>,
    /// Pictures of entries on pages, from where they are [default: false]
    #[arg(long, value_name = "BOOL", env = "SOWER_PICTURES", hide_env_values = true)]
    pub pictures: Option<String>,
    /// Colour of links and buttons on pages, as in `#a63f06`
    #[arg(long, value_name = "COLOUR", env = "SOWER_ACCENT", hide_env_values = true)]
    pub accent: Option<String>,
    /// What entries show: full, or excerpt [default: full]
    #[arg(long, value_name = "LENGTH", env = "SOWER_CONTENT", hide_env_values = true)]
    pub content: Option<String>,
    /// Hosts whose video players entries show, or `off` [default: those of youtube and vimeo]
    #[arg(long, value_name = "HOST,…", env = "SOWER_FRAME_HOSTS", hide_env_values = true)]
    pub frame_hosts: Option<String>,
    /// How long readers may keep a feed before they ask again [default: 15m]
    #[arg(long, value_name = "TIME", env = "SOWER_MAX_AGE", hide_env_values = true)]
    pub max_age: Option<String>,
    /// Largest seed that is read [default: 1MiB]
    #[arg(long, value_name = "SIZE", env = "SOWER_MAX_SEED_SIZE", hide_env_values = true)]
    pub max_seed_size: Option<String>,
    /// Show unpublished and removed records too, for preview
    #[arg(long, value_name = "BOOL", env = "SOWER_UNPUBLISHED", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub unpublished: Option<String>,
    /// Read every seed, and remember nothing for the next start
    #[arg(long, value_name = "BOOL", env = "SOWER_NO_CACHE", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_cache: Option<String>,
}
