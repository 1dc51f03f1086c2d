//! What well-known images want to be told before they start. Nothing in an image says so.

use super::reference::Reference;

/// Images by registry and repository, with the variables without which their first start fails, as their own pages
/// say. Of several that would do, the usual one.
const KNOWN: [(&str, &[&str]); 5] = [
    ("docker.io/library/postgres", &["POSTGRES_PASSWORD"]),
    ("docker.io/library/mysql", &["MYSQL_ROOT_PASSWORD"]),
    ("docker.io/library/mariadb", &["MARIADB_ROOT_PASSWORD"]),
    ("docker.io/library/couchdb", &["COUCHDB_USER", "COUCHDB_PASSWORD"]),
    ("mcr.microsoft.com/mssql/server", &["ACCEPT_EULA", "MSSQL_SA_PASSWORD"]),
];

impl Reference {
    /// The variables without which this image does not start, as far as it is well known.
    pub fn needed_variables(&self) -> &'static [&'static str] {
        let name = format!("{}/{}", self.host(), self.repository());
        KNOWN.iter().find(|(known, _)| *known == name).map_or(&[], |(_, names)| names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_images_say_what_they_need_and_others_nothing() {
        let needed = |text: &str| text.parse::<Reference>().unwrap().needed_variables();
        assert_eq!(needed("postgres:17"), ["POSTGRES_PASSWORD"]);
        assert_eq!(needed("ghcr.io/acme/postgres"), [""; 0]);
        for (name, names) in KNOWN {
            assert_eq!(needed(name), names);
            assert!(names.iter().all(|name| name.parse::<crate::VariableName>().is_ok()));
        }
    }
}
