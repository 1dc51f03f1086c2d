//! The frame around every page: head, navigation, the command twin.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use crate::asset::{Asset, HTMX, ICON, SCRIPT, STYLE};
use crate::copy::copyable;
use crate::navigation::navigation;
use crate::visitor::Visitor;

/// htmx swaps nothing but what is a page or a form with what is wrong with it, evaluates nothing, and brings no style.
const HTMX_CONFIG: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"historyEnabled":false,"responseHandling":[{"code":"204","swap":false},{"code":"[23]..","swap":true},{"code":"422","swap":true},{"code":"[45]..","swap":false,"error":true}]}"#;

/// A page without its frame. What is in `body` has the one `h1`.
pub(crate) struct Page<'a> {
    /// What the browser's tab says.
    pub(crate) title: &'a str,
    /// Who looks at it; without one there is nothing to navigate to.
    pub(crate) visitor: Option<&'a Visitor>,
    /// The pages above it, with their addresses.
    pub(crate) crumbs: &'a [(&'a str, String)],
    /// Commands that say or do the same in a terminal.
    pub(crate) twin: &'a [String],
    /// What it shows.
    pub(crate) body: Markup,
}

impl Page<'_> {
    /// The whole page.
    pub(crate) fn into_html(self) -> Html<String> {
        Html(self.framed().into_string())
    }

    fn framed(self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" data-theme=[self.visitor.and_then(|it| it.theme())] {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Mirage" }
                    link rel="icon" type="image/svg+xml" href=(ICON.path());
                    link rel="stylesheet" href=(STYLE.path());
                    @if self.visitor.is_some() {
                        meta name="htmx-config" content=(HTMX_CONFIG);
                        script src=(HTMX.path()) defer {}
                        script src=(SCRIPT.path()) defer {}
                    }
                }
                body class=[self.visitor.is_none().then_some("alone")] {
                    a.skip href="#content" { "Skip to the content" }
                    header.top {
                        a.brand href="/" { "Mirage" }
                        @if let Some(visitor) = self.visitor { (navigation(visitor)) }
                    }
                    main #content {
                        @if !self.crumbs.is_empty() {
                            nav.crumbs aria-label="Where you are" {
                                ol { @for (name, path) in self.crumbs { li { a href=(path) { (name) } } } }
                            }
                        }
                        (self.body)
                    }
                    footer { (twin(self.twin)) }
                    p #live-state role="status" hidden {}
                }
            }
        }
    }
}

/// A table that is scrolled where it is too wide.
pub(crate) fn table(label: &str, columns: &[&str], rows: Markup) -> Markup {
    html! {
        div.scroll role="group" aria-label=(label) tabindex="0" {
            table {
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// A link to what follows in a list.
pub(crate) fn more(path: &str, words: &str) -> Markup {
    html! { p.more { a href=(path) rel="next" { (words) } } }
}

/// A script that one page alone needs; it stands in its body.
pub(crate) fn page_script(asset: &'static Asset) -> Markup {
    html! { script src=(asset.path()) defer {} }
}

fn twin(commands: &[String]) -> Markup {
    html! {
        @if !commands.is_empty() {
            p { "In a terminal:" @for command in commands { " " (copyable(command)) } }
        }
    }
}
