//! Only one module of the binary names concrete adapters together, and no face names one.

use super::Finding;
use super::source::Source;
use super::tree::Tree;

/// The crates that stand behind ports, and the store.
const ADAPTERS: &[&str] = &["mirage_oci", "mirage_engine", "mirage_proxy", "mirage_store"];

/// The one place of the product where they meet.
const JOIN: &str = "crates/mirage/src/platform/";

/// Faces: they call `Control` and nothing below it.
const FACES: &[&str] = &["crates/mirage-api/src/", "crates/mirage-ui/src/", "crates/mirage-cli/src/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, source) in
        tree.sources().filter(|(path, source)| path.starts_with("crates/") && !source.is_test)
    {
        let named: Vec<(&str, usize)> =
            ADAPTERS.iter().filter_map(|name| Some((*name, first(source, name)?))).collect();
        if let Some((name, line)) = named.first().filter(|_| FACES.iter().any(|face| path.starts_with(face)))
        {
            found.push(Finding::new(
                path,
                *line,
                format!("a face calls `Control`, it does not name `{name}`"),
            ));
        } else if let [_, (name, line), ..] = named.as_slice()
            && !path.starts_with(JOIN)
        {
            let what = format!("`{name}` beside `{}`: adapters meet in {JOIN} alone", named[0].0);
            found.push(Finding::new(path, *line, what));
        }
    }
    found
}

fn first(source: &Source, name: &str) -> Option<usize> {
    source.product().find(|line| line.code.contains(&format!("{name}::"))).map(|line| line.number)
}
