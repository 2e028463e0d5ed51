//! The resolved configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::args::Settings;
use crate::config::error::ConfigError;
use crate::config::file::{ConfigFile, FileKeys};
use crate::config::seeds::SeedSettings;
use crate::config::selections::{self, SelectionSettings};
use crate::config::serving::{ListenAddress, ServeSettings, local_url};
use crate::config::setting::Setting;
use crate::config::topics::Topics;
use crate::config::value::{
    COLOUR, CONTENT, ContentLength, ENTRIES, FRAME_HOSTS, LANGUAGE, MAX_AGE, OFF, PICTURE, PUBLICATION_URL,
    SIZE, TEXT, WATCH, Watching,
};

/// The hosts of video players that are shown by default.
const DEFAULT_FRAME_HOSTS: &[&str] =
    &["www.youtube.com", "youtube.com", "www.youtube-nocookie.com", "player.vimeo.com"];

/// Everything that a run depends on.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// The title of the publication.
    pub title: String,
    /// The address at which readers reach the publication: http or https, with a slash at its end.
    pub url: Url,
    /// Set if `url` was configured, and does not follow from `listen`.
    is_url_given: bool,
    /// The settings of the server.
    pub serving: ServeSettings,
    /// The path of the configuration file, which may be missing.
    pub file: PathBuf,
    /// The directory of the seeds.
    pub seeds: PathBuf,
    /// The meaning of fields in seeds, where it can be chosen.
    pub seed_settings: SeedSettings,
    /// The way in which changes of seeds are detected.
    pub watch: Watching,
    /// The directory that mirrors the publication. A preview has one only if it is configured.
    pub feeds: Option<PathBuf>,
    /// The largest number of entries in a feed.
    pub entries: usize,
    /// Set if feeds with more entries than they show have archives.
    pub archives: bool,
    /// Set if pages show the pictures of entries, which come from other hosts.
    pub pictures: bool,
    /// The colour of links and buttons on pages: red, green, blue.
    pub accent: Option<[u8; 3]>,
    /// The part of a record that its entries show.
    pub content: ContentLength,
    /// The topics that need more than a name.
    pub topics: Arc<Topics>,
    /// The named selections, by name.
    pub selections: Vec<SelectionSettings>,
    /// The hosts whose frames, which are video players, are kept in content.
    pub frame_hosts: Vec<String>,
    /// The time for which readers may cache a feed.
    pub max_age: Duration,
    /// The language of the publication (RFC 5646).
    pub language: String,
    /// The copyright notice.
    pub copyright: Option<String>,
    /// The absolute address of a small square picture of the publication.
    pub icon: Option<String>,
    /// The absolute address of a large picture of the publication, twice as wide as high.
    pub logo: Option<String>,
    /// The size of the largest seed, in bytes.
    pub max_seed_size: u64,
    /// Set if unpublished and removed records are shown.
    pub unpublished: bool,
    /// Set if records are neither restored at startup nor kept for the next one.
    pub no_cache: bool,
}

impl Config {
    /// Resolves the settings of the command line, of the environment, and of the configuration file.
    ///
    /// # Errors
    ///
    /// A value is invalid, or the file cannot be read.
    pub fn resolve(mut flags: Settings) -> Result<Self, ConfigError> {
        let file = ConfigFile::read(flags.config.take())?;
        let mut keys = file.parse()?;
        let setting = |flag, value, key| Setting::new(&file, flag, value, key);

        let serving = ServeSettings::resolve(&mut flags, &mut keys, &file)?;
        let seed_settings = SeedSettings::resolve(&mut flags, &mut keys, &file)?;
        let url = setting("url", flags.url.take(), keys.url.take()).read(&PUBLICATION_URL)?;
        let unpublished =
            setting("unpublished", flags.unpublished.take(), keys.unpublished.take()).switch(false)?;
        let (seeds, feeds) = directories(&mut flags, &mut keys, &file, unpublished)?;
        let frame_hosts = frame_hosts(&mut flags, &mut keys, &file)?;
        let topics = Topics::resolve(&keys.topics.unwrap_or_default(), &file)?;
        let selections = selections::resolve(&keys.selections.unwrap_or_default(), &topics, &file)?;
        Ok(Self {
            title: setting("title", flags.title, keys.title)
                .read(&TEXT)?
                .unwrap_or_else(|| "Feeds".to_owned()),
            is_url_given: url.is_some(),
            url: url.unwrap_or_else(|| local_url(&serving.listen)),
            serving,
            entries: setting("entries", flags.entries, keys.entries).read(&ENTRIES)?.unwrap_or(50),
            archives: setting("archives", flags.archives, keys.archives).switch(true)?,
            pictures: setting("pictures", flags.pictures, keys.pictures).switch(false)?,
            accent: setting("accent", flags.accent, keys.accent).read(&COLOUR)?,
            content: setting("content", flags.content, keys.content)
                .read(&CONTENT)?
                .unwrap_or(ContentLength::Full),
            frame_hosts,
            max_age: setting("max-age", flags.max_age, keys.max_age)
                .read(&MAX_AGE)?
                .unwrap_or(Duration::from_secs(15 * 60)),
            language: setting("language", flags.language, keys.language)
                .read(&LANGUAGE)?
                .unwrap_or_else(|| "en".to_owned()),
            copyright: setting("copyright", flags.copyright, keys.copyright).read(&TEXT)?,
            icon: setting("icon", flags.icon, keys.icon).read(&PICTURE)?,
            logo: setting("logo", flags.logo, keys.logo).read(&PICTURE)?,
            max_seed_size: setting("max-seed-size", flags.max_seed_size, keys.max_seed_size)
                .read(&SIZE)?
                .unwrap_or(1 << 20),
            topics: Arc::new(topics),
            selections,
            unpublished,
            no_cache: setting("no-cache", flags.no_cache, None).switch(false)?,
            watch: setting("watch", flags.watch, keys.watch).read(&WATCH)?.unwrap_or(Watching::Events),
            file: file.path.clone(),
            seeds,
            seed_settings,
            feeds,
        })
    }

    /// Replaces the configured listen addresses by the actual ones, which differ from them for port 0.
    #[must_use]
    pub fn listening_on(mut self, listen: Vec<ListenAddress>) -> Self {
        if !self.is_url_given {
            self.url = local_url(&listen);
        }
        self.serving.listen = listen;
        self
    }
}

/// Returns the directory of the seeds, and that of the feeds unless it is off.
fn directories(
    flags: &mut Settings,
    keys: &mut FileKeys,
    file: &ConfigFile,
    is_preview: bool,
) -> Result<(PathBuf, Option<PathBuf>), ConfigError> {
    let directory = |setting: &Setting<'_>, default: &str| {
        let base = if setting.is_from_file() { file.directory() } else { Path::new("") };
        base.join(setting.text().unwrap_or(default))
    };
    let seeds = directory(&Setting::new(file, "seeds", flags.seeds.take(), keys.seeds.take()), "seeds");
    let feeds = Setting::new(file, "feeds", flags.feeds.take(), keys.feeds.take());
    let feeds = match feeds.text().map(str::trim) {
        Some(OFF) => None,
        // The default directory is published; a preview must not end up there.
        None if is_preview => None,
        _ => Some(directory(&feeds, "feeds")),
    };
    let absolute = |path: &Path| std::path::absolute(path).ok();
    if feeds.as_deref().is_some_and(|feeds| absolute(feeds) == absolute(&seeds)) {
        let reason = "the feeds directory cannot be the seed directory".to_owned();
        return Err(ConfigError::Flag { flag: "feeds".to_owned(), reason });
    }
    Ok((seeds, feeds))
}

/// Returns the hosts of video players. An empty list in the file means none, as `off` does.
fn frame_hosts(
    flags: &mut Settings,
    keys: &mut FileKeys,
    file: &ConfigFile,
) -> Result<Vec<String>, ConfigError> {
    let listed = keys.frame_hosts.take();
    let listed = listed.map(|hosts| if hosts.is_empty() { OFF.to_owned() } else { hosts.join(",") });
    let hosts = Setting::new(file, "frame-hosts", flags.frame_hosts.take(), listed).read(&FRAME_HOSTS)?;
    Ok(hosts.unwrap_or_else(|| DEFAULT_FRAME_HOSTS.iter().map(ToString::to_string).collect()))
}

#[cfg(test)]
impl Config {
    /// Returns a configuration for a test, from the text of a file and nothing else.
    pub(crate) fn sample(yaml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sower.yaml");
        std::fs::write(&path, format!("url: https://a.example/\nfeeds: off\n{yaml}")).unwrap();
        let config = Some(path.display().to_string());
        Self::resolve(Settings { config, ..Settings::default() }).unwrap()
    }
}
