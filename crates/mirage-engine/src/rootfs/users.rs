//! Who a container's process runs as: `USER` of the image against its `/etc/passwd` and
//! `/etc/group`, by the rules of other container engines.

use std::path::Path;

use super::inside::Inside;

/// The most that is read of either file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The longest line that is believed, in bytes.
const MAX_LINE: usize = 4096;

/// The most supplementary groups.
const MAX_GROUPS: usize = 256;

/// The highest number of a user or group (`user.MaxUid` of the runtimes).
const MAX_ID: u32 = i32::MAX as u32;

/// A user in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerUser {
    /// User id.
    pub(crate) uid: u32,
    /// Primary group id.
    pub(crate) gid: u32,
    /// Supplementary groups, the primary one first.
    pub(crate) groups: Vec<u32>,
    /// Home directory.
    pub(crate) home: String,
}

/// Finds the user that `user`, `uid`, `user:group` or `uid:gid` means in this image.
///
/// # Errors
/// A sentence for the user: who is not there.
pub(crate) fn resolve(inside: &Inside, wanted: &str) -> Result<ContainerUser, String> {
    let text = |path: &str| {
        let bytes = inside.read(Path::new(path), MAX_FILE).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    find(wanted, &text("/etc/passwd"), &text("/etc/group"))
}

fn find(wanted: &str, passwd: &str, group: &str) -> Result<ContainerUser, String> {
    let (name, group_name) = match wanted.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let entry = entries(passwd).find(|fields| matches(fields, name));
    let uid = id(entry.as_ref(), name)
        .ok_or_else(|| format!("no such user `{name}`: the image's /etc/passwd does not name it"))?;
    let gid_of_user = entry.as_ref().and_then(|fields| parse_id(fields.get(3)?)).unwrap_or(0);
    let gid = group_name.map_or(Ok(gid_of_user), |name| find_group(name, group))?;

    let mut groups = vec![gid];
    if let (None, Some(user)) = (group_name, entry.as_ref().and_then(|fields| fields.first())) {
        let of_user = entries(group).filter(|fields| {
            fields.get(3).is_some_and(|members| members.split(',').any(|member| member == *user))
        });
        groups.extend(of_user.filter_map(|fields| parse_id(fields.get(2)?)).filter(|other| *other != gid));
        groups.truncate(MAX_GROUPS);
    }
    let home = entry.and_then(|fields| fields.get(5).map(|home| (*home).to_owned()));
    Ok(ContainerUser { uid, gid, groups, home: home.filter(|home| !home.is_empty()).unwrap_or("/".into()) })
}

fn find_group(name: &str, group: &str) -> Result<u32, String> {
    let entry = entries(group).find(|fields| matches(fields, name));
    id(entry.as_ref(), name)
        .ok_or_else(|| format!("no such group `{name}`: the image's /etc/group does not name it"))
}

/// Lines as fields; what is no entry is skipped.
fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().filter(|line| line.len() <= MAX_LINE && !line.starts_with('#'));
    lines.map(|line| line.trim().split(':').collect::<Vec<_>>()).filter(|fields| fields.len() >= 3)
}

/// Names come before numbers, and either is the same to an entry that has both.
fn matches(fields: &[&str], wanted: &str) -> bool {
    fields.first() == Some(&wanted) || fields.get(2) == Some(&wanted)
}

/// The number of an entry, or the number that was asked for where there is no entry.
fn id(entry: Option<&Vec<&str>>, wanted: &str) -> Option<u32> {
    match entry {
        Some(fields) => parse_id(fields.get(2)?),
        None => parse_id(wanted),
    }
}

fn parse_id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id <= MAX_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
# comment:x:9:9::/:
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
app:x:1000:1001::/home/app:/bin/sh
broken
toolarge:x:4294967295:0::/:
";
    const GROUP: &str =
        "root:x:0:\nwww-data:x:33:\napp:x:1001:\naudio:x:29:pulse,app\nvideo:x:44:app\nstaff:x:50:\n";

    fn user(uid: u32, gid: u32, groups: &[u32], home: &str) -> Result<ContainerUser, String> {
        Ok(ContainerUser { uid, gid, groups: groups.to_vec(), home: home.into() })
    }

    #[test]
    fn users_are_found_by_name_and_by_number() {
        assert_eq!(find("", PASSWD, GROUP), user(0, 0, &[0], "/root"));
        assert_eq!(find("app", PASSWD, GROUP), user(1000, 1001, &[1001, 29, 44], "/home/app"));
        assert_eq!(find("1000", PASSWD, GROUP), user(1000, 1001, &[1001, 29, 44], "/home/app"));
        assert_eq!(find("www-data", PASSWD, GROUP), user(33, 33, &[33], "/var/www"));
    }

    #[test]
    fn a_group_that_is_asked_for_replaces_the_users_own() {
        assert_eq!(find("app:staff", PASSWD, GROUP), user(1000, 50, &[50], "/home/app"));
        assert_eq!(find("1000:7", PASSWD, GROUP), user(1000, 7, &[7], "/home/app"));
        assert_eq!(find("app:", PASSWD, GROUP), user(1000, 1001, &[1001, 29, 44], "/home/app"));
    }

    #[test]
    fn a_number_needs_no_entry() {
        assert_eq!(find("4711", PASSWD, GROUP), user(4711, 0, &[0], "/"));
        assert_eq!(find("4711:4712", "", ""), user(4711, 4712, &[4712], "/"));
        assert_eq!(find("", "", ""), user(0, 0, &[0], "/"));
    }

    #[test]
    fn who_is_not_there_is_named() {
        let refused = |wanted| find(wanted, PASSWD, GROUP).unwrap_err();
        assert_eq!(refused("nobody"), "no such user `nobody`: the image's /etc/passwd does not name it");
        assert_eq!(refused("app:wheel"), "no such group `wheel`: the image's /etc/group does not name it");
        assert!(refused("4294967295").contains("4294967295"));
        assert!(refused("toolarge").contains("toolarge"));
        assert!(refused("-1").contains("-1"));
    }

    #[test]
    fn hostile_files_cost_little() {
        let long = format!("{}:x:1:1::/:", "a".repeat(10_000));
        assert!(find(&"a".repeat(10_000), &long, "").is_err());
        let many: String = (0..100_000).map(|n| format!("g{n}:x:{n}:app\n")).collect();
        assert_eq!(find("app", PASSWD, &many).unwrap().groups.len(), MAX_GROUPS);
    }
}
