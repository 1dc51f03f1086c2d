//! Where the pages about something are, for whoever wants to go on with a browser.

use super::Api;
use super::Printer;
use super::wire::Service;

/// The page of a service.
pub(crate) fn of_service(service: &Service) -> String {
    format!("/projects/{}/{}/{}", service.project, service.environment, service.name)
}

/// The page of a deployment.
pub(crate) fn of_deployment(id: &str) -> String {
    format!("/deployments/{id}")
}

/// Says where a page is, to people alone.
pub(crate) fn tell(api: &Api, printer: &Printer, path: &str) {
    if !printer.json {
        printer.told("Page", &format!("{}{path}", api.base()));
    }
}
