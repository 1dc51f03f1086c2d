use super::*;

#[test]
fn a_domain_is_kept_as_dns_compares_it() {
    for (text, kept) in [
        ("shop.example.com", "shop.example.com"),
        ("Shop.EXAMPLE.com.", "shop.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("*.example.com", "*.example.com"),
        ("a-1.b2.example", "a-1.b2.example"),
    ] {
        assert_eq!(text.parse::<Domain>().unwrap().as_str(), kept);
    }
}

#[test]
fn what_is_no_domain_is_refused_with_the_reason() {
    let long = format!("{}.example.com", "a".repeat(64));
    let longest = format!("{}com", "abcdefg.".repeat(32));
    for (text, why) in [
        ("", "it is empty"),
        ("shop", "it has a single part"),
        ("localhost", "names of `localhost`"),
        ("web.localhost", "names of `localhost`"),
        ("web.internal", "names of `internal`"),
        ("127.0.0.1", "it is an IP address"),
        ("[::1]", "it is an IP address"),
        ("::1", "it is an IP address"),
        ("1.2.3", "its last part is a number"),
        ("https://shop.example.com/", "it is an address of a page"),
        ("shop.example.com:443", "it has a port"),
        ("bücher.example", "other letters than those of ASCII"),
        ("a..example", "one of its parts is empty"),
        ("-a.example", "starts or ends with a hyphen"),
        ("a_b.example", "`_` is neither"),
        ("a.*.example", "`*` can only be its whole first part"),
        ("*a.example.com", "`*` can only be its whole first part"),
        ("*.com", "it has a single part"),
        (&long, "one of its parts has 64 characters"),
        (&longest, "it has 259 characters"),
    ] {
        let error = text.parse::<Domain>().unwrap_err();
        assert!(error.message().contains(why), "{text}: {error:?}");
        assert_eq!((error.code(), error.at_field()), (Code::InvalidRequest, Some("domain")));
    }
    let hint = "bücher.example".parse::<Domain>().unwrap_err();
    assert!(hint.next_step().unwrap().contains("xn--"));
    let error = "a".repeat(100_000).parse::<Domain>().unwrap_err();
    assert!(error.message().len() < 200);
}

#[test]
fn the_addresses_that_mirage_gives_are_not_to_be_had() {
    let base = "apps.example.com";
    for taken in ["apps.example.com", "x.apps.example.com", "*.apps.example.com"] {
        assert!(taken.parse::<Domain>().unwrap().check_outside(base).is_err(), "{taken}");
    }
    for free in ["example.com", "myapps.example.com", "apps.example.com.de"] {
        assert!(free.parse::<Domain>().unwrap().check_outside(base).is_ok(), "{free}");
    }
}

#[test]
fn a_wildcard_stands_for_one_part_and_no_more() {
    let wildcard: Domain = "*.example.com".parse().unwrap();
    assert!(wildcard.is_wildcard());
    for (host, covered) in [
        ("a.example.com", true),
        ("example.com", false),
        (".example.com", false),
        ("a.b.example.com", false),
        ("*.example.com", false),
        ("aexample.com", false),
    ] {
        assert_eq!(wildcard.covers(host), covered, "{host}");
    }
    let plain: Domain = "example.com".parse().unwrap();
    assert!(plain.covers("example.com") && !plain.covers("a.example.com"));
}
