//! The command line as typed.

use std::path::PathBuf;

use clap::{Args as ArgGroup, Parser, Subcommand, ValueEnum, ValueHint};

/// Publishes RSS, Atom and JSON feeds from a directory of seeds.
#[derive(Debug, Parser)]
#[command(name = "sower", version, arg_required_else_help = true)]
pub struct Args {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
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
        /// Output format: text or json
        #[arg(long, value_enum, default_value_t = ReportFormat::Text, hide_possible_values = true)]
        format: ReportFormat,
        /// The settings that all commands share.
        #[command(flatten)]
        settings: Settings,
    },
    /// Show which feeds carry an entry, or why none does
    Why {
        /// Address, id or seed path of the entry, or its title or a part of it
        #[arg(value_name = "ADDRESS, PATH OR TITLE")]
        query: String,
        /// The settings that all commands share.
        #[command(flatten)]
        settings: Settings,
    },
    /// Write a starting sower.yaml and a first seed
    Init {
        /// Directory to write to
        #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// The output format of `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Text for people
    Text,
    /// JSON for programs
    Json,
}

/// The settings that flags and `SOWER_*` variables can change, as text. Empty values count as not set.
#[derive(Debug, Default, Clone, ArgGroup)]
pub struct Settings {
    /// Configuration file [default: sower.yaml, if it exists]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, env = "SOWER_CONFIG", hide_env_values = true)]
    pub config: Option<String>,
    /// Directory that contains the seeds [default: seeds]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, env = "SOWER_SEEDS", hide_env_values = true)]
    pub seeds: Option<String>,
    /// Fields to take topics from besides `topics`, such as `tags` [default: off]
    #[arg(long, value_name = "FIELD,…", env = "SOWER_TOPIC_FIELDS", hide_env_values = true)]
    pub topic_fields: Option<String>,
    /// Split text in these fields into words, each of them a topic [default: false]
    #[arg(long, value_name = "BOOL", env = "SOWER_TOPIC_WORDS", hide_env_values = true)]
    pub topic_words: Option<String>,
    /// Topic of seeds without one [default: none; such a seed is a fault]
    #[arg(long, value_name = "NAME", env = "SOWER_DEFAULT_TOPIC", hide_env_values = true)]
    pub default_topic: Option<String>,
    /// Link of seeds without one, such as `https://example.org/posts/{name}/` [default: none]
    #[arg(long, value_name = "URL", env = "SOWER_PERMALINK", hide_env_values = true)]
    pub permalink: Option<String>,
    /// Detection of changes: events, or poll for network file systems [default: events]
    #[arg(long, value_name = "MODE", env = "SOWER_WATCH", hide_env_values = true)]
    pub watch: Option<String>,
    /// Directory to write the feeds and pages to, or `off` [default: feeds]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, env = "SOWER_FEEDS", hide_env_values = true)]
    pub feeds: Option<String>,
    /// Public address of the publication [default: http:// and the address of --listen]
    #[arg(long, value_name = "URL", env = "SOWER_URL", hide_env_values = true)]
    pub url: Option<String>,
    /// Addresses to listen on, each with a port, or `unix:PATH` [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS,…", env = "SOWER_LISTEN", hide_env_values = true)]
    pub listen: Option<String>,
    /// Address for health and metrics, or `off` [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS", env = "SOWER_ADMIN_LISTEN", hide_env_values = true)]
    pub admin_listen: Option<String>,
    /// Networks of proxies whose X-Forwarded-For is trusted [default: off]
    #[arg(long, value_name = "NETWORK,…", env = "SOWER_TRUSTED_PROXIES", hide_env_values = true)]
    pub trusted_proxies: Option<String>,
    /// Maximum number of simultaneous connections [default: 10000]
    #[arg(long, value_name = "NUMBER", env = "SOWER_MAX_CONNECTIONS", hide_env_values = true)]
    pub max_connections: Option<String>,
    /// Rate limit per client and feed: burst size; one request is restored every max-age [default: off]
    #[arg(long, value_name = "NUMBER", env = "SOWER_CLIENT_LIMIT", hide_env_values = true)]
    pub client_limit: Option<String>,
    /// Access log on standard output: off, common or json [default: off]
    #[arg(long, value_name = "FORMAT", env = "SOWER_ACCESS_LOG", hide_env_values = true)]
    pub access_log: Option<String>,
    /// Title of the publication [default: Feeds]
    #[arg(long, value_name = "TEXT", env = "SOWER_TITLE", hide_env_values = true)]
    pub title: Option<String>,
    /// Language of the publication [default: en]
    #[arg(long, value_name = "TAG", env = "SOWER_LANGUAGE", hide_env_values = true)]
    pub language: Option<String>,
    /// Copyright notice, such as `© 2026 The Garden` [default: none]
    #[arg(long, value_name = "TEXT", env = "SOWER_COPYRIGHT", hide_env_values = true)]
    pub copyright: Option<String>,
    /// Small square picture for the publication [default: none]
    #[arg(long, value_name = "URL", env = "SOWER_ICON", hide_env_values = true)]
    pub icon: Option<String>,
    /// Large picture for the publication, twice as wide as high [default: none]
    #[arg(long, value_name = "URL", env = "SOWER_LOGO", hide_env_values = true)]
    pub logo: Option<String>,
    /// Maximum number of entries in a feed; the newest are kept [default: 50]
    #[arg(long, value_name = "NUMBER", env = "SOWER_ENTRIES", hide_env_values = true)]
    pub entries: Option<String>,
    /// Publish monthly archives of feeds with more entries than they show [default: true]
    #[arg(long, value_name = "BOOL", env = "SOWER_ARCHIVES", hide_env_values = true)]
    pub archives: Option<String>,
    /// Show the pictures of entries on pages, loaded from their hosts [default: false]
    #[arg(long, value_name = "BOOL", env = "SOWER_PICTURES", hide_env_values = true)]
    pub pictures: Option<String>,
    /// Colour of links and buttons on pages, such as `#a63f06`
    #[arg(long, value_name = "COLOUR", env = "SOWER_ACCENT", hide_env_values = true)]
    pub accent: Option<String>,
    /// Content of entries: full, or excerpt [default: full]
    #[arg(long, value_name = "LENGTH", env = "SOWER_CONTENT", hide_env_values = true)]
    pub content: Option<String>,
    /// Hosts whose video players entries may embed, or `off` [default: those of YouTube and Vimeo]
    #[arg(long, value_name = "HOST,…", env = "SOWER_FRAME_HOSTS", hide_env_values = true)]
    pub frame_hosts: Option<String>,
    /// Time for which readers may cache a feed [default: 15m]
    #[arg(long, value_name = "TIME", env = "SOWER_MAX_AGE", hide_env_values = true)]
    pub max_age: Option<String>,
    /// Maximum size of a seed [default: 1MiB]
    #[arg(long, value_name = "SIZE", env = "SOWER_MAX_SEED_SIZE", hide_env_values = true)]
    pub max_seed_size: Option<String>,
    /// Show unpublished and removed records too, for a preview
    #[arg(long, value_name = "BOOL", env = "SOWER_UNPUBLISHED", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub unpublished: Option<String>,
    /// Read every seed; neither use nor write the cache
    #[arg(long, value_name = "BOOL", env = "SOWER_NO_CACHE", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_cache: Option<String>,
}
