//! A directory of seeds that changes all the time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::support::{Random, seeds};

const FOLDERS: usize = 20;

/// The seeds of a directory, which it changes at random.
pub(crate) struct ChangingSeeds {
    root: PathBuf,
    random: Random,
    /// The number of seeds at first; later it stays within a quarter of this.
    size: usize,
    /// The numbers of seeds ever created and of names ever given.
    made: usize,
    named: usize,
    /// The names of the folders.
    folders: Vec<String>,
    seeds: Vec<Seed>,
}

struct Seed {
    number: usize,
    topic: usize,
    folder: usize,
    name: String,
    is_broken: bool,
}

/// A way of saving a file.
enum Save {
    /// In place.
    Over,
    /// By another file that is renamed over it.
    Renamed,
    /// In place and then again, with as many bytes and perhaps the same file time, as by an editor that formats
    /// on save.
    Twice,
}

impl ChangingSeeds {
    /// Creates a directory with this many seeds.
    pub(crate) fn new(root: &Path, size: usize) -> io::Result<Self> {
        let folders: Vec<_> = (0..FOLDERS).map(|number| format!("folder-{number}")).collect();
        for folder in &folders {
            fs::create_dir_all(root.join(folder))?;
        }
        let (root, random) = (root.to_owned(), Random(42));
        let mut changing_seeds = Self { root, random, size, made: 0, named: 0, folders, seeds: Vec::new() };
        for _ in 0..size {
            changing_seeds.create()?;
        }
        Ok(changing_seeds)
    }

    /// Makes one random change.
    pub(crate) fn change(&mut self) -> io::Result<()> {
        let most = self.size + self.size / 4;
        let least = self.size - self.size / 4;
        let place = self.random.below(self.seeds.len());
        match self.random.below(100) {
            0..30 => self.edit(place, &Save::Over),
            30..50 => self.edit(place, &Save::Renamed),
            50..58 => self.edit(place, &Save::Twice),
            58..68 if self.seeds.len() < most => self.create(),
            58..78 if self.seeds.len() > least => {
                let seed = self.seeds.swap_remove(place);
                fs::remove_file(self.path(&seed))
            }
            58..78 => self.create(),
            78..84 => self.rename(place),
            84..90 => File::options()
                .append(true)
                .open(self.path(&self.seeds[place]))?
                .set_modified(SystemTime::now()),
            90..95 => {
                let seed = &mut self.seeds[place];
                seed.is_broken = true;
                let text = seeds::text(seed.number, "[", seed.topic);
                let path = self.path(&self.seeds[place]);
                fs::write(path, text)
            }
            95..98 => self.correct(1),
            _ => self.move_folder(),
        }
    }

    /// Corrects every broken seed: the last good record that such a seed shows depends on its history.
    pub(crate) fn correct_all(&mut self) -> io::Result<()> {
        self.correct(usize::MAX)
    }

    fn correct(&mut self, most: usize) -> io::Result<()> {
        let broken = self.seeds.iter().enumerate().filter(|(_, seed)| seed.is_broken);
        let broken: Vec<_> = broken.map(|(place, _)| place).take(most).collect();
        broken.into_iter().try_for_each(|place| self.edit(place, &Save::Over))
    }

    fn create(&mut self) -> io::Result<()> {
        let (number, folder) = (self.made, self.random.below(FOLDERS));
        self.made += 1;
        let name = format!("{number}.md");
        self.seeds.push(Seed { number, topic: seeds::topic(number), folder, name, is_broken: false });
        let seed = &self.seeds[self.seeds.len() - 1];
        fs::write(self.path(seed), seeds::text(number, "Title 00000000", seed.topic))
    }

    fn edit(&mut self, place: usize, save: &Save) -> io::Result<()> {
        let title = format!("Title {:08}", self.random.below(100_000_000));
        let other = (self.random.below(4) == 0).then(|| self.random.below(seeds::TOPICS));
        let seed = &mut self.seeds[place];
        seed.is_broken = false;
        seed.topic = other.unwrap_or(seed.topic);
        let (number, topic) = (seed.number, seed.topic);
        let text = seeds::text(number, &title, topic);
        let path = self.path(&self.seeds[place]);
        match save {
            Save::Over => fs::write(path, text),
            Save::Renamed => {
                let written = path.with_file_name(".being-saved");
                fs::write(&written, text)?;
                fs::rename(written, path)
            }
            Save::Twice => {
                fs::write(&path, seeds::text(number, "Title --------", topic))?;
                thread::sleep(Duration::from_millis(self.random.below(40) as u64));
                fs::write(path, text)
            }
        }
    }

    fn rename(&mut self, place: usize) -> io::Result<()> {
        let before = self.path(&self.seeds[place]);
        self.named += 1;
        let folder = self.random.below(FOLDERS);
        let seed = &mut self.seeds[place];
        (seed.folder, seed.name) = (folder, format!("{}-renamed-{}.md", seed.number, self.named));
        fs::rename(before, self.path(&self.seeds[place]))
    }

    fn move_folder(&mut self) -> io::Result<()> {
        let folder = self.random.below(FOLDERS);
        self.named += 1;
        let after = format!("folder-{folder}-moved-{}", self.named);
        let before = std::mem::replace(&mut self.folders[folder], after);
        fs::rename(self.root.join(before), self.root.join(&self.folders[folder]))
    }

    fn path(&self, seed: &Seed) -> PathBuf {
        self.root.join(&self.folders[seed.folder]).join(&seed.name)
    }
}
