use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{error:?}"))
}

fn refused(text: &str) -> String {
    text.parse::<Reference>()
        .map(|reference| panic!("{text} became {reference}"))
        .unwrap_err()
        .message()
        .to_owned()
}

const SHA256: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// Facts from the tables of distribution/reference: what is written, what it means.
#[test]
fn short_forms_mean_docker_hub() {
    for (written, canonical, familiar) in [
        ("nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"),
        ("acme/web", "docker.io/acme/web:latest", "acme/web:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("index.docker.io/acme/web:2", "docker.io/acme/web:2", "acme/web:2"),
        ("library/nginx:x", "docker.io/library/nginx:x", "nginx:x"),
        ("docker.io/library/foo/bar", "docker.io/library/foo/bar:latest", "library/foo/bar:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
        ("docker.io/localhost/web", "docker.io/localhost/web:latest", "docker.io/localhost/web:latest"),
        ("docker.io/docker.io/web", "docker.io/docker.io/web:latest", "docker.io/docker.io/web:latest"),
        ("docker.io/my.team/web", "docker.io/my.team/web:latest", "docker.io/my.team/web:latest"),
        ("ghcr.io/acme/web", "ghcr.io/acme/web:latest", "ghcr.io/acme/web:latest"),
    ] {
        let reference = parsed(written);
        assert_eq!((reference.to_string(), reference.familiar()), (canonical.into(), familiar.into()));
    }
}

#[test]
fn a_first_part_with_dot_colon_or_capital_or_localhost_is_a_registry() {
    for (written, host, path) in [
        ("localhost/acme/web", "localhost", "acme/web"),
        ("localhost:5000/web", "localhost:5000", "web"),
        ("127.0.0.1:5000/acme/web:1", "127.0.0.1:5000", "acme/web"),
        ("[::1]:5000/web", "[::1]:5000", "web"),
        ("[2001:db8::1]/acme/web", "[2001:db8::1]", "acme/web"),
        ("LOCALDOMAIN/foo", "LOCALDOMAIN", "foo"),
        ("registry.example.com:443/a__b/c--d/e.f_g", "registry.example.com:443", "a__b/c--d/e.f_g"),
        ("xn--n3h.com/myimage", "xn--n3h.com", "myimage"),
    ] {
        let reference = parsed(written);
        assert_eq!((reference.host().as_str(), reference.repository().as_str()), (host, path), "{written}");
    }
}

#[test]
fn a_digest_decides_and_the_tag_is_kept_for_display() {
    let reference = parsed(&format!("acme/web:1.4@{SHA256}"));
    assert_eq!(reference.identifier(), SHA256);
    assert_eq!(reference.tag().unwrap().as_str(), "1.4");
    assert_eq!(reference.to_string(), format!("docker.io/acme/web:1.4@{SHA256}"));

    let untagged = parsed(&format!("acme/web@{SHA256}"));
    assert_eq!(untagged.tag(), None);
    assert!(parsed(&format!("x@sha512:{}", "0".repeat(128))).digest().is_some());
}

#[test]
fn each_refusal_says_which_part_is_wrong() {
    for (written, message) in [
        ("", "it is empty"),
        (":latest", "the repository is missing"),
        ("web:", "the tag is empty"),
        ("web:-x", "the tag `-x` starts with `-`, and has to start with a letter, a digit or `_`"),
        ("web:1.0+2", "the tag `1.0+2` has `+`, which is neither a letter, a digit, `_`, `.` nor a hyphen"),
        ("nginx 1.27", "it has a space in it"),
        ("nginx:1.27 ", "it has a space in it"),
        ("nginx:1.27:latest", "the repository `nginx:1.27` has a colon in it; one alone is allowed"),
        ("ghcr.io/acme:1/web", "the repository `acme:1/web` has a colon in it; one alone is allowed"),
        ("nginx@", "the digest is missing after `@`"),
        ("nginx@latest", "the digest is wrong: `latest` has no `sha256:` before it"),
        ("Nginx", "the repository `Nginx` has upper-case letters"),
        ("-web", "the repository `-web` has the part `-web`, which starts with `-`"),
        ("acme/web_", "the repository `acme/web_` has the part `web_`, which ends with `_`"),
        ("café", "the repository `café` has `é`, which is neither a lower-case letter"),
        ("my_registry.io/web", "the registry `my_registry.io` has `_`, which is neither a letter, a digit"),
        ("acme/Web", "the repository `acme/Web` has upper-case letters"),
        ("a//b", "the repository `a//b` has an empty part"),
        ("a/b/", "the repository `a/b/` ends with a slash"),
        ("./", "it reads like the path of a folder"),
        ("/web", "it reads like the path of a folder"),
        ("host.io:0/web", "the registry has the port `0`, which is not a number from 1 to 65535"),
        ("host.io:port/web", "the registry has the port `port`, which is not a number from 1 to 65535"),
        ("-host.io/web", "the registry `-host.io` has the part `-host`, which starts or ends with a hyphen"),
        ("a..io/web", "the registry `a..io` has an empty part"),
        ("[::g]/web", "the registry `::g` is not an IPv6 address"),
        ("[::1/web", "the registry has the port `1`"),
        (
            "web@sha256:ab",
            "the digest is wrong (`sha256:ab` is not a digest: sha256 needs 64 digits, it has 2)",
        ),
        (
            "web@md5:ab",
            "the digest is wrong (`md5:ab` is not a digest: only `sha256` and `sha512` are registered algorithms)",
        ),
        ("https://ghcr.io/acme/web", "it starts like a web address"),
        ("a___b", "the repository `a___b` has `___`; between letters and digits stands one of"),
        ("a._b", "the repository `a._b` has `._`; between letters and digits"),
        ("aa/asdf$$^/aa", "the repository `aa/asdf$$^/aa` has `$`, which is neither"),
    ] {
        let seen = refused(written);
        let start = format!("`{written}` is not an image reference: ");
        let seen = seen.strip_prefix(&start).unwrap_or(&seen);
        assert!(
            seen.starts_with(message) || message.starts_with("the registry has the port `1`"),
            "{written}: {seen}"
        );
    }
}

#[test]
fn a_refusal_says_what_to_write_instead() {
    for (written, hint) in [
        ("https://ghcr.io/acme/web", "leave the scheme out: `ghcr.io/acme/web`"),
        ("https://hub.docker.com/_/nginx", "leave the scheme out: `nginx`"),
        (" nginx:1.27", "did you mean `nginx:1.27`?"),
        ("docker pull nginx", "did you mean `nginx`?"),
        ("nginx:", "write one, or leave the colon out: `nginx`"),
        ("acme/web@latest", "a tag follows a colon: `acme/web:latest`"),
        ("acme/web/", "leave the slash out: `acme/web`"),
        ("Nginx", "repositories are lower-case: `nginx`"),
        ("acme/web:1 2", EXAMPLE),
    ] {
        let error = written.parse::<Reference>().unwrap_err();
        assert_eq!(error.next_step(), Some(hint), "{written}");
    }
    let error = "https://ghcr.io/".parse::<RegistryHost>().unwrap_err();
    assert_eq!(error.message(), "`https://ghcr.io/` is not a registry: it starts like a web address");
    assert_eq!(error.next_step(), Some("leave the scheme out: `ghcr.io`"));
}

#[test]
fn image_ids_are_not_references() {
    assert!(refused(&"a3".repeat(32)).contains("image id"));
    parsed(&"a3".repeat(31));
    parsed(&format!("acme/{}", "a3".repeat(32)));
}

#[test]
fn a_refusal_is_one_line_whatever_it_quotes() {
    let error = "a\n\u{1b}[31mb".parse::<Reference>().unwrap_err();
    assert!(!error.message().contains(char::is_control), "{}", error.message());
    assert!(error.message().contains("\\n"), "{}", error.message());
}

#[test]
fn lengths_are_limited() {
    let longest = format!("{}a", "a/".repeat(127));
    assert_eq!(longest.len(), 255);
    parsed(&longest);
    assert!(refused(&format!("{longest}b")).contains("at most 255"));
    parsed(&format!("web:{}", "t".repeat(128)));
    assert!(refused(&format!("web:{}", "t".repeat(129))).contains("at most 128"));
    assert!(refused(&"x".repeat(100_000)).len() < 400);
    assert!(refused(&"a://".repeat(100_000)).len() < 400);
}

#[test]
fn a_capital_in_the_path_gets_the_lower_case_form_as_hint() {
    let error = "ghcr.io/Acme/Web:1".parse::<Reference>().unwrap_err();
    assert_eq!(error.next_step(), Some("repositories are lower-case: `ghcr.io/acme/web:1`"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        let _ = text.parse::<Reference>();
    }

    #[test]
    fn both_printed_forms_parse_back_to_the_same_reference(
        text in "([a-z]{1,4}\\.[a-z]{2}(:[1-9][0-9]{0,3})?/)?[a-z0-9]{1,6}(/[a-z0-9]{1,6}([._-][a-z0-9]{1,3})?){0,3}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,6})?"
    ) {
        let reference = parsed(&text);
        prop_assert_eq!(&parsed(&reference.to_string()), &reference);
        prop_assert_eq!(&parsed(&reference.familiar()), &reference);
    }
}
