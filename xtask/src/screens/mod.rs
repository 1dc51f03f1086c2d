//! `cargo xtask screens`: pictures of the pages, in light, dark and narrow.

mod palette;
mod shot;
mod town;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::browser::{Browser, Colours, NARROW, Page, Size, WIDE};
use crate::workspace::{release_binary, root};
use shot::{MORE, SHOTS};

pub use town::Town;

/// The most bytes of one picture, and of all of them.
const PICTURE: usize = 150_000;
const ALL: usize = 3_000_000;
/// Seconds of visitors, so that there is something to see on charts.
const SECONDS: u64 = 75;

const VIEWS: [(&str, Size, Colours); 3] =
    [("light", WIDE, Colours::Light), ("dark", WIDE, Colours::Dark), ("narrow", NARROW, Colours::Light)];

/// Takes the pictures named, or those of docs/screens; `true` where all of them are small enough.
pub(crate) fn command(words: &[&str]) -> Result<bool> {
    if words == ["--list"] {
        SHOTS.iter().chain(MORE).for_each(|(name, _)| println!("{name}"));
        return Ok(true);
    }
    let (mut binary, mut folder, mut names) = (None, root().join("docs/screens"), Vec::new());
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--binary" => binary = Some(PathBuf::from(words.next().context("`--binary` needs a path")?)),
            "--into" => folder = words.next().context("`--into` needs a folder")?.into(),
            "--all" => names.extend(SHOTS.iter().chain(MORE).map(|(name, _)| *name)),
            name if SHOTS.iter().chain(MORE).any(|(known, _)| *known == name) => names.push(name),
            other => bail!("`{other}` is no picture; `cargo xtask screens --list` names them"),
        }
    }
    if !geteuid().is_root() {
        bail!("the pictures show containers that run, and those need root");
    }
    let town = Town::build(&binary.map_or_else(release_binary, Ok)?)?;
    eprintln!("visitors for {SECONDS} s");
    town.visited_for(SECONDS)?;
    let browser = Browser::start()?;
    let page = browser.open(town.platform.api_port())?;
    page.log_in(&town.platform.token())?;
    std::fs::create_dir_all(&folder)?;
    let mut bytes = 0;
    let mut are_small = true;
    let usual = |name: &&str| names.is_empty() && SHOTS.iter().any(|(known, _)| known == name);
    for (name, lead) in SHOTS.iter().chain(MORE).filter(|(name, _)| usual(name) || names.contains(name)) {
        page.look(WIDE, Colours::Light)?;
        lead(&page, &town).with_context(|| format!("on the way to `{name}`"))?;
        for size in taken(&page, name, &folder)? {
            bytes += size;
            are_small &= size <= PICTURE;
        }
        let complaints = page.complaints();
        if !complaints.is_empty() {
            bail!("`{name}`: {}", complaints.join("\n"));
        }
    }
    println!("{bytes} bytes in all, at most {ALL}; at most {PICTURE} each");
    Ok(are_small && bytes <= ALL)
}

/// Takes a page in every view; answers with the bytes of each picture.
fn taken(page: &Page, name: &str, folder: &Path) -> Result<Vec<usize>> {
    let mut sizes = Vec::new();
    for (view, size, colours) in VIEWS {
        page.look(size, colours)?;
        let picture = palette::reduced(&page.picture()?)?;
        let file = folder.join(format!("{name}-{view}.png"));
        std::fs::write(&file, &picture).with_context(|| format!("{} cannot be written", file.display()))?;
        println!("{name}-{view}.png  {} bytes", picture.len());
        sizes.push(picture.len());
    }
    Ok(sizes)
}
