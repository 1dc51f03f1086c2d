//! What moves while a deployment is on its way, and what would happen before it is.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mirage_core::{Digest, Domain, Name, Reference, Result};

use super::wire::{InspectImage, Inspection, Mount, Progress, Service};
use super::{Context, Printer};

/// A bar for each layer that is being moved, on a terminal; nothing elsewhere.
pub(crate) struct Bars {
    all: Option<MultiProgress>,
    bars: Vec<(String, ProgressBar)>,
}

impl Bars {
    /// Bars where the terminal can show them.
    pub(crate) fn new(printer: &Printer) -> Self {
        Self { all: printer.bars.then(MultiProgress::new), bars: Vec::new() }
    }

    /// Shows how far each layer is.
    pub(crate) fn show(&mut self, progress: Option<&Progress>) {
        let (Some(all), Some(progress)) = (&self.all, progress) else { return };
        for layer in &progress.layers {
            let at = self.bars.iter().position(|(digest, _)| *digest == layer.digest);
            let bar = match at {
                Some(at) => &self.bars[at].1,
                None => {
                    let bar = all.add(ProgressBar::new(layer.bytes_total).with_style(style()));
                    bar.set_prefix(short(&layer.digest));
                    self.bars.push((layer.digest.clone(), bar));
                    &self.bars[self.bars.len() - 1].1
                }
            };
            bar.set_position(layer.bytes_done);
        }
    }

    /// Takes the bars away, so that a line can be printed.
    pub(crate) fn clear(&mut self) {
        for (_, bar) in self.bars.drain(..) {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("  {prefix}  {bar:30}  {binary_bytes:>10} of {binary_total_bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

fn short(digest: &str) -> String {
    digest.parse::<Digest>().map(|digest| digest.short().to_owned()).unwrap_or_default()
}

/// A deploy that was not done.
pub(crate) struct Plan<'a> {
    /// The service, where it is there.
    pub(crate) existing: Option<&'a Service>,
    pub(crate) reference: &'a Reference,
    pub(crate) name: &'a Name,
    pub(crate) environment: &'a str,
    /// All volumes that would be mounted, where that changes.
    pub(crate) volumes: Option<Vec<Mount>>,
    /// The domains that it would get.
    pub(crate) domains: Vec<&'a Domain>,
}

/// Prints what a deploy would do, and does nothing.
pub(crate) async fn show_plan(plan: Plan<'_>, request: InspectImage, context: &Context) -> Result<()> {
    let Plan { existing, reference, name, environment, volumes, domains } = plan;
    let domains: Vec<String> = domains.iter().map(|domain| format!("  + domain    {domain}")).collect();
    let found: Inspection = context.api.post("/api/images/inspect", &request).await?;
    let printer = &context.printer;
    let new = format!("{} ({})", reference.familiar(), short(&found.image_digest));
    let pull = if found.present { "" } else { "pull · " };
    match existing {
        None => {
            printer.data(&format!("+ service {name} ({environment})"));
            printer.data(&format!("    image     {new}"));
            changes(&[], volumes.as_deref()).iter().chain(&domains).for_each(|line| printer.data(line));
            printer.data(&format!("  + {pull}start #1 · probe · route"));
        }
        Some(service) => {
            let old = service.image_digest.as_deref().map(short).unwrap_or_default();
            let change = change(&service.image(), reference);
            let change = format!("{} ({old}) → {} ({})", change.0, change.1, short(&found.image_digest));
            let newest = service.latest_deployment.as_ref().map(|newest| newest.revision);
            let number = newest.max(service.revision).map_or(1, |revision| revision + 1);
            printer.data(&format!("~ service {name} ({environment})"));
            printer.data(&format!("    image     {change}"));
            printer.data(&format!("    replicas  {}", service.replicas));
            let changes = changes(&service.volumes, volumes.as_deref());
            changes.iter().chain(&domains).for_each(|line| printer.data(line));
            let mounts = volumes.as_deref().unwrap_or(&service.volumes);
            let old = service.active_deployment.as_ref().map(|active| active.revision);
            printer.data(&format!("  + {pull}{}", steps(number, old, !mounts.is_empty())));
        }
    }
    Ok(())
}

/// The image that runs and the one that would, the second one by its tag alone where it is of the same repository.
fn change(old: &str, new: &Reference) -> (String, String) {
    let Ok(old) = old.parse::<Reference>() else { return (old.to_owned(), new.familiar()) };
    let tag = |image: &Reference| image.tag().map_or("no tag", mirage_core::Tag::as_str).to_owned();
    let repository = format!("{}/{}", old.host(), old.repository());
    match (old.host(), old.repository()) == (new.host(), new.repository()) {
        true => (format!("{repository}  {}", tag(&old)), tag(new)),
        false => (format!("{repository}  {}", tag(&old)), new.familiar()),
    }
}

/// What a deploy does, in its order. Two instances never have one volume, so there the old one goes first.
fn steps(new: u32, old: Option<u32>, has_volume: bool) -> String {
    match (old, has_volume) {
        (None, _) => format!("start #{new} · probe · route"),
        (Some(old), false) => format!("start #{new} · probe · route · drain #{old} · stop #{old}"),
        (Some(old), true) => format!("stop #{old} · start #{new} · probe · route"),
    }
}

/// A line for each volume that is mounted now or no more.
fn changes(before: &[Mount], after: Option<&[Mount]>) -> Vec<String> {
    let Some(after) = after else { return Vec::new() };
    let line = |sign: &str, mount: &Mount, rest: &str| {
        format!("  {sign} volume    {} at {}{rest}", mount.name, mount.path)
    };
    let gone =
        before.iter().filter(|one| !after.contains(one)).map(|one| line("-", one, ", its data is kept"));
    let new = after.iter().filter(|one| !before.contains(one)).map(|one| line("+", one, ""));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_tells_the_steps_in_their_order() {
        assert_eq!(steps(1, None, true), "start #1 · probe · route");
        assert_eq!(steps(3, Some(1), false), "start #3 · probe · route · drain #1 · stop #1");
        assert_eq!(steps(3, Some(1), true), "stop #1 · start #3 · probe · route");
    }

    #[test]
    fn a_plan_names_the_image_that_runs_and_the_one_that_would() {
        let change = |new: &str| change("docker.io/library/nginx:1.27", &new.parse().unwrap());
        let old = "docker.io/library/nginx  1.27".to_owned();
        assert_eq!(change("nginx:1.28"), (old.clone(), "1.28".to_owned()));
        assert_eq!(change("ghcr.io/acme/web:2"), (old, "ghcr.io/acme/web:2".to_owned()));
    }

    #[test]
    fn a_plan_names_each_volume_that_is_mounted_or_not_any_more() {
        let mount = |name: &str, path: &str| Mount { name: name.into(), path: path.into() };
        let before = [mount("data", "/data"), mount("cache", "/cache")];
        let after = [mount("cache", "/cache"), mount("more", "/more")];
        let expected = ["  - volume    data at /data, its data is kept", "  + volume    more at /more"];
        assert_eq!(changes(&before, Some(&after)), expected);
        assert!(changes(&before, None).is_empty());
    }
}
