//! Looking for something by a few characters.

use mirage_core::{Code, ServiceSpec};

use super::{Behaviour, Stage};
use crate::{CreateService, Found};

impl Stage {
    async fn place(&self, project: &str, name: &str) {
        let request = CreateService {
            project: Some(project.parse().unwrap()),
            name: Some(name.parse().unwrap()),
            ..CreateService::new(ServiceSpec::image("acme/web:1".parse().unwrap()))
        };
        self.control.create_service(&self.actor, request).await.unwrap();
    }

    async fn found(&self, text: &str) -> Vec<String> {
        let found = self.control.search(&self.actor, text, 10).await.unwrap();
        let told = |found: Found| match found {
            Found::Service(path) => format!("{}/{}", path.project, path.name),
            Found::Project(name) => format!("project {name}"),
            Found::Deployment(_, path) => format!("deployment of {}", path.name),
        };
        found.into_iter().map(told).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_characters_find_services_projects_and_deployments() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    for (project, name) in [("shop", "web"), ("shop", "worker"), ("blog", "web"), ("blog", "the-web")] {
        stage.place(project, name).await;
    }
    assert_eq!(
        stage.found("web").await,
        ["blog/web", "shop/web", "blog/the-web"],
        "what begins with it first"
    );
    assert_eq!(stage.found("Shop WEB").await, ["shop/web"], "each word, in any case");
    assert_eq!(stage.found("sho").await, ["project shop", "shop/web", "shop/worker"]);
    assert_eq!(stage.found("").await.len(), 4, "nothing typed yet");
    let nothing: [&str; 0] = [];
    for text in ["none", "%", "_", "'", "w_b", &"w".repeat(1000), "abcd' OR 1"] {
        assert_eq!(stage.found(text).await, nothing, "{text}");
    }
    let id = stage.create("acme/web:1").await.id.to_string();
    assert_eq!(stage.found(&id).await, ["deployment of web"]);
    assert!(stage.found(&id[..8]).await.contains(&"deployment of web".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_name_with_a_slip_finds_the_one_that_was_meant() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.place("shop", "payments").await;
    stage.place("shop", "web").await;
    let similar = |name: &'static str| {
        let (control, actor) = (stage.control.clone(), stage.actor.clone());
        async move {
            let found = control.similar(&actor, name, 5).await.unwrap();
            found.into_iter().map(|path| path.name.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(similar("payment").await, ["payments"]);
    assert_eq!(similar("wbe").await, ["web"]);
    assert!(similar("orders").await.is_empty() && similar("").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_there_is_refused_with_those_that_may_have_been_meant() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.place("shop", "payments").await;
    let hint = async |wanted: &str| {
        let error = stage.control.service(&stage.actor, &wanted.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        error.next_step().unwrap().to_owned()
    };
    let meant = "did you mean `shop/production/payments`? `mirage services` lists all";
    for wanted in ["payment", "shop/production/paymets", "default/production/payments"] {
        assert_eq!(hint(wanted).await, meant, "{wanted}");
    }
    assert_eq!(hint("orders").await, "`mirage services` lists them");
    stage.place("blog", "payments").await;
    let error = stage.control.service(&stage.actor, &"payments".parse().unwrap()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Conflict, "2 services are called `payments`"));
    let which = error.next_step().unwrap();
    assert!(which.contains("`shop/production/payments`") && which.contains("`blog/production/payments`"));
}
