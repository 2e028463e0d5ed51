//! Writes seeds of about 3 KB in 50 topics, 1,000 in a folder, the same in each run, for `benches/scale.sh`.
//!
//!     cargo run --release --example seeds -- COUNT DIRECTORY
//!
//! Hugo reads them too, and Zola those with `taxonomies` and `render` instead of `topics`:
//!
//!     cargo run --release --example seeds -- COUNT DIRECTORY zola

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

#[path = "../benches/support/seeds.rs"]
mod seeds;

/// The number of seeds in a folder.
const FOLDER: usize = 1000;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (count, directory, zola) = match &arguments[..] {
        [count, directory] => (count, directory, false),
        [count, directory, last] if last == "zola" => (count, directory, true),
        _ => bail!("usage: seeds COUNT DIRECTORY [zola]"),
    };
    let count: usize = count.parse().with_context(|| format!("`{count}` is not a number"))?;
    for number in 0..count {
        let folder = Path::new(directory).join(format!("{:03}", number / FOLDER));
        if number % FOLDER == 0 {
            fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let mut text = seeds::text(number, &format!("Entry {number}"), seeds::topic(number));
        if zola {
            let topics = format!("topics: [Topic {}]\n", seeds::topic(number));
            text = text.replacen(&topics, &format!("render: false\ntaxonomies:\n  {topics}"), 1);
        }
        let file = folder.join(format!("{number:06}.md"));
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
