use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use mirage_core::port::Spared;
use mirage_core::{Digest, Repository, Tag};

use super::{Bonds, Repositories};

fn digest(n: u8) -> Digest {
    Digest::sha256([n; 32])
}

fn name(text: &str) -> Repository {
    text.parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn open() -> (tempfile::TempDir, Repositories) {
    let folder = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(folder.path()).unwrap();
    (folder, repositories)
}

/// Whatever no tag means is as if it were pushed just now.
fn all_spared() -> Spared {
    Spared { needed: [].into(), pushed_since: Timestamp::UNIX_EPOCH }
}

#[test]
fn a_repository_may_lie_within_another() {
    let (_folder, repositories) = open();
    repositories.add_manifest(&name("acme/web"), &digest(1), "a/b", None).unwrap();
    repositories.add_manifest(&name("acme"), &digest(2), "a/b", None).unwrap();
    repositories.add_manifest(&name("acme-x"), &digest(3), "a/b", None).unwrap();
    repositories.set_tag(&name("acme/web"), &tag("1"), &digest(1)).unwrap();

    let names: Vec<String> = repositories.list().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["acme", "acme-x", "acme/web"]);
    assert_eq!(repositories.tags(&name("acme")).unwrap(), Some(vec![]));
    assert_eq!(repositories.tags(&name("acme/web")).unwrap(), Some(vec![tag("1")]));
    assert_eq!(repositories.tags(&name("acme/we")).unwrap(), None);
    assert_eq!(repositories.media_type(&name("acme"), &digest(1)).unwrap(), None);
}

#[test]
fn a_tag_moves_and_the_manifest_it_left_stays() {
    let (folder, repositories) = open();
    let web = name("acme/web");
    repositories.add_manifest(&web, &digest(1), "a/b", None).unwrap();
    repositories.add_manifest(&web, &digest(2), "c/d", None).unwrap();
    repositories.set_tag(&web, &tag("Latest_1.0-x"), &digest(1)).unwrap();
    repositories.set_tag(&web, &tag("Latest_1.0-x"), &digest(2)).unwrap();

    let again = Repositories::open(folder.path()).unwrap();
    assert_eq!(again.resolve(&web, &tag("Latest_1.0-x")).unwrap(), Some(digest(2)));
    assert_eq!(again.media_type(&web, &digest(1)).unwrap().as_deref(), Some("a/b"));
    assert_eq!(std::fs::read_dir(folder.path().join("repositories/_unfinished")).unwrap().count(), 0);
}

#[test]
fn removing_a_manifest_removes_its_tags_and_its_way_back() {
    let (_folder, repositories) = open();
    let web = name("web");
    repositories.add_manifest(&web, &digest(1), "a/b", None).unwrap();
    repositories.add_manifest(&web, &digest(2), "a/b", Some(&digest(1))).unwrap();
    for (text, to) in [("a", 1), ("b", 2), ("c", 1)] {
        repositories.set_tag(&web, &tag(text), &digest(to)).unwrap();
    }
    assert_eq!(repositories.referrers(&web, &digest(1)).unwrap(), [digest(2)]);

    assert!(repositories.remove_manifest(&web, &digest(1), None).unwrap());
    assert!(!repositories.remove_manifest(&web, &digest(1), None).unwrap());
    assert_eq!(repositories.tags(&web).unwrap(), Some(vec![tag("b")]));
    assert!(repositories.remove_manifest(&web, &digest(2), Some(&digest(1))).unwrap());
    assert_eq!(repositories.referrers(&web, &digest(1)).unwrap(), []);
    assert_eq!(repositories.list().unwrap(), []);
}

#[test]
fn a_tag_takes_along_what_nothing_else_means() {
    let (_folder, repositories) = open();
    let web = name("web");
    // An index of 1 and 2 with the tag `all`; 2 has a tag of its own; 3 is about 1, and 4 about 3.
    let index = |manifest: &Digest, _: &str| match *manifest == digest(9) {
        true => Bonds { children: vec![digest(1), digest(2)], subject: None },
        false => Bonds {
            children: Vec::new(),
            subject: [(3, 1), (4, 3)]
                .iter()
                .find(|(it, _)| *manifest == digest(*it))
                .map(|(_, of)| digest(*of)),
        },
    };
    for (number, kind, subject) in [
        (1, "image", None),
        (2, "image", None),
        (3, "image", Some(1)),
        (4, "image", Some(3)),
        (9, "index", None),
    ] {
        let subject = subject.map(digest);
        repositories.add_manifest(&web, &digest(number), kind, subject.as_ref()).unwrap();
    }
    for (text, to) in [("all", 9), ("also", 9), ("arm", 2)] {
        repositories.set_tag(&web, &tag(text), &digest(to)).unwrap();
    }
    let gone = |text: &str| repositories.take_away(&web, Some(&tag(text)), &all_spared(), index).unwrap();
    assert_eq!(gone("missing"), None);
    assert_eq!(gone("also"), Some(vec![]), "another tag means it");
    let doomed = repositories.doomed(&web, Some(&tag("all")), &all_spared(), index).unwrap();
    assert_eq!(repositories.manifests(&web).unwrap().len(), 5, "a look changes nothing");
    let all = gone("all");
    assert_eq!(all, doomed);
    assert_eq!(
        all.map(|mut all| {
            all.sort();
            all
        }),
        Some(vec![digest(1), digest(3), digest(4), digest(9)])
    );
    assert_eq!(repositories.manifests(&web).unwrap(), [digest(2)], "it has a tag of its own");
    assert_eq!(repositories.referrers(&web, &digest(1)).unwrap(), []);
    assert_eq!(repositories.tags(&web).unwrap(), Some(vec![tag("arm")]));
}

#[test]
fn what_a_tag_meant_before_goes_with_it_but_not_what_somebody_needs() {
    let (_folder, repositories) = open();
    let web = name("web");
    // Pushed one after the other as `latest`; 5 is what runs, 8 an index of 7, 6 a signature of 4.
    let read = |manifest: &Digest, _: &str| match *manifest == digest(8) {
        true => Bonds { children: vec![digest(7)], subject: None },
        false => Bonds { children: Vec::new(), subject: (*manifest == digest(6)).then(|| digest(4)) },
    };
    for number in [1, 2, 3, 4, 5, 7] {
        repositories.add_manifest(&web, &digest(number), "image", None).unwrap();
        repositories.set_tag(&web, &tag("latest"), &digest(number)).unwrap();
    }
    repositories.add_manifest(&web, &digest(6), "image", Some(&digest(4))).unwrap();
    repositories.add_manifest(&web, &digest(8), "index", None).unwrap();
    repositories.set_tag(&web, &tag("latest"), &digest(1)).unwrap();
    repositories.set_tag(&web, &tag("stable"), &digest(2)).unwrap();

    let new = repositories.doomed(&web, Some(&tag("latest")), &all_spared(), read).unwrap();
    assert_eq!(new, Some(vec![digest(1)]), "a push that goes on has no tag yet");
    let needed = |numbers: &[u8]| Spared {
        needed: numbers.iter().map(|number| digest(*number)).collect(),
        pushed_since: Timestamp::MAX,
    };
    let gone = repositories.take_away(&web, Some(&tag("latest")), &needed(&[1, 4, 5, 8]), read).unwrap();
    assert_eq!(gone, Some(vec![digest(1), digest(3)]));
    let mut left = [2, 4, 5, 6, 7, 8].map(digest);
    left.sort();
    assert_eq!(repositories.manifests(&web).unwrap(), left);
    let gone = repositories.take_away(&web, Some(&tag("stable")), &needed(&[]), read).unwrap();
    assert_eq!(gone.map(|gone| gone.len()), Some(6));
    assert_eq!(repositories.list().unwrap(), []);
}

#[test]
fn a_removal_that_broke_off_goes_on_where_it_was() {
    let (_folder, repositories) = open();
    let web = name("web");
    // An index of 1 and 2, and 3 is about 1.
    let read = |manifest: &Digest, _: &str| match *manifest == digest(9) {
        true => Bonds { children: vec![digest(1), digest(2)], subject: None },
        false => Bonds { children: Vec::new(), subject: (*manifest == digest(3)).then(|| digest(1)) },
    };
    for (number, kind, subject) in
        [(1, "image", None), (2, "image", None), (3, "image", Some(1)), (9, "index", None)]
    {
        let subject = subject.map(digest);
        repositories.add_manifest(&web, &digest(number), kind, subject.as_ref()).unwrap();
    }
    repositories.set_tag(&web, &tag("1"), &digest(9)).unwrap();
    let doomed = || repositories.doomed(&web, Some(&tag("1")), &all_spared(), read).unwrap();
    let mut all = doomed().unwrap();
    assert_eq!((all.len(), &all[0]), (4, &digest(9)));
    while let Some(last) = all.pop() {
        let subject = read(&last, "image").subject;
        repositories.forget_manifest(&web, &last, subject.as_ref()).unwrap();
        assert_eq!(doomed().map(|left| left.len()), Some(all.len()), "killed here, the rest is still found");
    }
    repositories.take_away(&web, Some(&tag("1")), &all_spared(), read).unwrap();
    assert_eq!(repositories.tags(&web).unwrap(), Some(vec![]));
}

#[test]
fn an_image_stays_while_an_index_names_it() {
    let (_folder, repositories) = open();
    let web = name("web");
    let index = |manifest: &Digest, _: &str| match *manifest == digest(9) {
        true => Bonds { children: vec![digest(1)], subject: None },
        false => Bonds::default(),
    };
    repositories.add_manifest(&web, &digest(1), "image", None).unwrap();
    repositories.add_manifest(&web, &digest(9), "index", None).unwrap();
    repositories.set_tag(&web, &tag("amd64"), &digest(1)).unwrap();
    repositories.set_tag(&web, &tag("all"), &digest(9)).unwrap();
    assert_eq!(
        repositories.take_away(&web, Some(&tag("amd64")), &all_spared(), index).unwrap(),
        Some(vec![])
    );
    assert_eq!(repositories.manifests(&web).unwrap(), [digest(1), digest(9)]);
}

#[test]
fn a_repository_goes_with_all_its_tags_and_only_it() {
    let (_folder, repositories) = open();
    let none = |_: &Digest, _: &str| Bonds::default();
    for repository in ["web", "web/next"] {
        repositories.add_manifest(&name(repository), &digest(1), "image", None).unwrap();
        repositories.add_manifest(&name(repository), &digest(2), "image", None).unwrap();
        repositories.set_tag(&name(repository), &tag("1"), &digest(1)).unwrap();
    }
    assert_eq!(repositories.list().unwrap().len(), 2);
    let gone = repositories.take_away(&name("web"), None, &all_spared(), none).unwrap();
    assert_eq!(gone, Some(vec![digest(1), digest(2)]));
    assert_eq!(repositories.list().unwrap(), [name("web/next")]);
    assert_eq!(repositories.tags(&name("web")).unwrap(), Some(vec![]));
    assert_eq!(repositories.take_away(&name("web"), None, &all_spared(), none).unwrap(), None);
}

#[test]
fn names_are_known_without_looking_at_the_disk_again_and_stay_true() {
    let (folder, repositories) = open();
    let add = |text: &str| repositories.add_manifest(&name(text), &digest(1), "image", None).unwrap();
    ["b", "c/d", "a"].iter().for_each(|text| add(text));
    let after = |after: Option<&str>, limit| {
        let found = repositories.names_after(after.map(name).as_ref(), limit).unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(after(None, 2), ["a", "b"]);
    assert_eq!(after(Some("b"), 2), ["c/d"]);
    add("bb");
    assert_eq!(after(Some("aa"), 9), ["b", "bb", "c/d"], "one that is not there has its place");
    repositories.remove_manifest(&name("b"), &digest(1), None).unwrap();
    assert_eq!(after(None, 9), ["a", "bb", "c/d"]);
    assert_eq!(Repositories::open(folder.path()).unwrap().list().unwrap(), repositories.list().unwrap());
}

#[test]
fn whatever_a_repository_holds_is_kept() {
    let (_folder, repositories) = open();
    repositories.add_manifest(&name("a"), &digest(1), "a/b", None).unwrap();
    repositories.link_blob(&name("a"), &digest(2)).unwrap();
    repositories.link_blob(&name("b/c"), &digest(3)).unwrap();
    repositories.link_blob(&name("b/c"), &digest(3)).unwrap();

    let (manifests, blobs) =
        repositories.while_settled(|kept| (kept.manifests.clone(), kept.blobs.clone())).unwrap();
    assert_eq!(manifests, [digest(1)].into());
    assert_eq!(blobs, [digest(2), digest(3)].into());
    assert!(repositories.unlink_blob(&name("b/c"), &digest(3)).unwrap());
    assert!(!repositories.unlink_blob(&name("b/c"), &digest(3)).unwrap());
    assert!(!repositories.references().unwrap().blobs.contains(&digest(3)));
}

#[test]
fn blobs_of_a_push_that_never_finished_are_dropped_after_a_while() {
    let (_folder, repositories) = open();
    let web = name("web");
    repositories.add_manifest(&web, &digest(1), "a/b", None).unwrap();
    repositories.link_blob(&web, &digest(2)).unwrap();
    repositories.link_blob(&web, &digest(3)).unwrap();
    let day = Duration::from_secs(86_400);
    let linked = std::fs::metadata(repositories.blob_file(&web, &digest(3))).unwrap().modified().unwrap();
    let linked = Timestamp::try_from(linked).unwrap();
    let named = |_: &Repository, _: &Digest| Some(vec![digest(2)]);

    assert_eq!(repositories.drop_unnamed_blobs(linked, day, named).unwrap(), 0);
    let later = linked + day + Duration::from_secs(1);
    assert_eq!(repositories.drop_unnamed_blobs(later, day, |_, _| None).unwrap(), 0);
    std::fs::File::open(repositories.blob_file(&web, &digest(3)))
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    repositories.link_blob(&web, &digest(3)).unwrap();
    assert_eq!(repositories.drop_unnamed_blobs(linked + day, day, named).unwrap(), 0, "it waits anew");
    let later = later + day;
    assert_eq!(repositories.drop_unnamed_blobs(later, day, named).unwrap(), 1);
    assert!(repositories.has_blob(&web, &digest(2)));
    assert!(!repositories.has_blob(&web, &digest(3)));
}

#[test]
fn a_torn_or_foreign_file_is_never_taken_for_a_tag() {
    let (folder, repositories) = open();
    let web = name("web");
    repositories.add_manifest(&web, &digest(1), "a/b", None).unwrap();
    let tags = folder.path().join("repositories/web/_tags");
    std::fs::create_dir_all(&tags).unwrap();
    std::fs::write(tags.join("torn"), "sha256:12").unwrap();
    std::fs::write(tags.join(".hidden"), "").unwrap();
    std::fs::write(tags.join("huge"), vec![b'a'; 5000]).unwrap();

    assert!(repositories.resolve(&web, &tag("torn")).is_err());
    assert!(repositories.resolve(&web, &tag("huge")).is_err());
    assert_eq!(repositories.tags(&web).unwrap(), Some(vec![tag("huge"), tag("torn")]));
}

#[test]
fn a_snapshot_makes_the_same_registry_elsewhere() {
    let (_folder, here) = open();
    let (web, deep) = (name("web"), name("acme/web"));
    here.link_blob(&web, &digest(7)).unwrap();
    here.add_manifest(&web, &digest(1), "a/b", None).unwrap();
    here.add_manifest(&web, &digest(2), "c/d", Some(&digest(1))).unwrap();
    here.set_tag(&web, &tag("1"), &digest(1)).unwrap();
    here.add_manifest(&deep, &digest(3), "a/b", None).unwrap();
    let text = serde_json::to_string(&here.snapshot().unwrap()).unwrap();
    let snapshot = serde_json::from_str(&text).unwrap();
    let (_folder, there) = open();
    there.restore(&snapshot).unwrap();
    assert_eq!(there.snapshot().unwrap(), snapshot);
    assert_eq!(there.referrers(&web, &digest(1)).unwrap(), [digest(2)]);
    let content: Vec<_> = snapshot.content().into_iter().collect();
    assert_eq!(content, [digest(1), digest(2), digest(3), digest(7)]);
    for hostile in ["../../etc", "/etc", "web/../x"] {
        let text = text.replace("acme/web", hostile);
        assert!(serde_json::from_str::<super::RegistrySnapshot>(&text).is_err(), "{hostile}");
    }
    let two_lines = serde_json::from_str(&text.replace("c/d", "c\\nd")).unwrap();
    assert!(there.restore(&two_lines).is_err());
}
