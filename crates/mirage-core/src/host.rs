//! The address of a service.

use crate::name::Name;

/// The longest DNS label.
const LABEL: usize = 63;

/// The first label of the address at which a service answers: `<service>-<environment>`, and with
/// the project appended where another project already answers there.
///
/// `None` where the label would be longer than DNS allows.
pub fn host_label(service: &Name, environment: &Name, project: Option<&Name>) -> Option<String> {
    let label = match project {
        None => format!("{service}-{environment}"),
        Some(project) => format!("{service}-{environment}-{project}"),
    };
    (label.len() <= LABEL).then_some(label)
}
