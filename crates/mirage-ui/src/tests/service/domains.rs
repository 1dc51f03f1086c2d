//! The names of a service.

use super::*;

#[tokio::test]
async fn a_domain_is_added_with_a_certificate_of_somebodys_own_and_removed() {
    let app = web().await;
    let path = format!("{WEB}/domains");
    assert!(app.page(&path).await.text().contains("It has no domain of its own."));
    for domain in ["", "localhost", "shop", "https://shop.example", "10.0.0.1", "<b>.example"] {
        let answer = app.fill_in(&path, &path, &[("domain", domain), ("redirect", "yes")]).await;
        let page = refused(&answer, "domain");
        assert_eq!(input(&page, "domain").get("value").unwrap_or_default(), domain);
        assert!(input(&page, "certificate").get("checked").is_none(), "what was not ticked stays so");
    }
    let answer = app.fill_in(&path, &path, &[("domain", "shop.example"), ("redirect", "yes")]).await;
    assert_eq!(answer.leads_to(), path);
    let page = app.page(&path).await;
    assert_eq!(
        page.table("Domains")[1],
        "shop.example Open shop.example is led to HTTPS ○ none wanted, it answers over plain HTTP"
    );
    assert_eq!(page.link("Open shop.example"), "http://shop.example:8080");
    assert_eq!(app.page(WEB).await.link("shop.example"), "http://shop.example:8080");
    assert!(!page.text().contains("over TLS yet"), "no certificate is wanted");
    let one = page.link("shop.example").to_owned();
    let page = app.page(&one).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    let sent = [("chain", "-----BEGIN CERTIFICATE-----\r\nabc"), ("key", "hush-hush")];
    assert_eq!(app.fill_in(&one, &format!("{one}/certificate"), &sent).await.leads_to(), one);
    let answer = app.get(&one).await;
    assert!(!answer.text.contains("hush"));
    assert!(Document::parse(&answer.text).text().contains("your own, until 2027-11-01 00:00:00"));
    let refusal = app
        .fill_in(&one, &format!("{one}/certificate"), &[("chain", "expired <b>"), ("key", "hush-hush")])
        .await;
    let page = refused(&refusal, "chain");
    assert_eq!(input(&page, "chain").text, "expired <b>");
    assert!(!refusal.text.contains("hush"), "a key never comes back");
    assert_eq!(app.fill_in(&one, &one, &[("certificate", "yes")]).await.leads_to(), one);
    assert!(app.page(&path).await.text().contains("shop.example is answered"));
    assert_eq!(app.fill_in(&one, &format!("{one}/remove"), &[]).await.leads_to(), path);
    assert_eq!(app.get(&one).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_certificate_that_was_not_given_says_why_in_a_sentence_and_that_it_would_be_no_use_without_tls() {
    let app = web().await;
    let path = format!("{WEB}/domains");
    let fields = [("domain", "shop.example"), ("certificate", "yes")];
    assert_eq!(app.fill_in(&path, &path, &fields).await.leads_to(), path);
    let page = loop {
        let page = app.page(&path).await;
        if page.text().contains("was asked for and not given") {
            break page;
        }
        tokio::task::yield_now().await;
    };
    let told = "A certificate was asked for and not given: the certificate authority is closed";
    for page in [&page, &app.page(page.link("shop.example")).await] {
        assert_eq!(page.faults(), Vec::<String>::new());
        assert!(page.text().contains(told), "{}", page.text());
        assert!(page.text().contains("answers nobody over TLS yet"), "{}", page.text());
    }
}
