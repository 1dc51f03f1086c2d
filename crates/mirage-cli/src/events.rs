//! `mirage events`

use std::collections::HashMap;

use clap::Args;
use jiff::Timestamp;
use mirage_core::{Code, Error, Result};

use super::Context;
use super::api::{Api, segment};
use super::args::since;
use super::restarts::{Reader, read_on};
use super::wire::{Event, Events, Service, Told};

/// Show who did what, and what happened
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage events --service web --since 1d\n  mirage events -f --kind deploymentRequested"
)]
pub struct EventsArgs {
    /// Go on with every new event, also over a restart of the platform
    #[arg(long, short)]
    follow: bool,
    /// Only about this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only about this deployment
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// Only of this kind, such as serviceScaled
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only by this one: admin, mirage, or a token as project/name
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only since this time, or so long ago: 10m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only those that follow this number
    #[arg(long, value_name = "NUMBER")]
    after: Option<i64>,
    /// The most events (default: 100)
    #[arg(long, short = 'n', value_name = "N", conflicts_with = "follow")]
    limit: Option<u32>,
}

pub(crate) async fn run(args: EventsArgs, context: Context) -> Result<()> {
    let now = context.surroundings.clock.now();
    let mut path = format!("/api/events?follow={}", args.follow);
    let mut add = |name: &str, value: &str| path += &format!("&{name}={}", segment(value));
    for (name, text) in [("since", &args.since), ("until", &args.until)] {
        if let Some(text) = text {
            add(name, &since(text, now)?.to_string());
        }
    }
    let plain = [
        ("service", &args.service),
        ("deployment", &args.deployment),
        ("kind", &args.kind),
        ("actor", &args.actor),
        ("limit", &args.limit.map(|limit| limit.to_string())),
    ];
    for (name, text) in plain {
        if let Some(text) = text {
            add(name, text);
        }
    }
    if args.follow {
        return follow(path, &args, &context).await;
    }
    let after = args.after.map(|after| format!("&after={after}")).unwrap_or_default();
    let found: Told<Events> = context.api.get(&format!("{path}{after}")).await?;
    if context.printer.json {
        context.printer.json(&found);
        return Ok(());
    }
    if found.events.is_empty() {
        context.printer.note("no event is like that");
        return Ok(());
    }
    let mut names = Names::default();
    let mut rows = vec![["NUMBER", "TIME", "WHO", "SERVICE", "WHAT"].map(str::to_owned).to_vec()];
    for event in &found.events {
        rows.push(row(event, &names.about(event, &context.api).await));
    }
    context.printer.table(&rows);
    Ok(())
}

async fn follow(path: String, args: &EventsArgs, context: &Context) -> Result<()> {
    let after = match (args.after, &args.since) {
        (Some(number), _) => number,
        (None, Some(_)) => 0,
        // Known before anything is followed, so that nothing is missed where the connection breaks before the first.
        (None, None) => {
            let newest: Events = context.api.get("/api/events?follow=false&limit=1").await?;
            newest.events.last().map_or(0, |event| event.number)
        }
    };
    let mut following = Following { path, after, names: Names::default(), context };
    read_on(&context.api, &mut following, |line| context.printer.note(line)).await
}

/// Shows events, and knows which was the last.
struct Following<'a> {
    path: String,
    after: i64,
    names: Names,
    context: &'a Context,
}

impl Reader for Following<'_> {
    fn path(&self) -> String {
        format!("{}&after={}", self.path, self.after)
    }

    fn answered(&mut self, _: Option<Timestamp>) {}

    async fn take(&mut self, line: String) -> Result<()> {
        let event: Event = serde_json::from_str(&line)
            .map_err(|error| Error::internal("read an event of the platform", error))?;
        self.after = event.number;
        let printer = &self.context.printer;
        match printer.json {
            true => printer.data(&line),
            false => {
                let name = self.names.about(&event, &self.context.api).await;
                printer.data(row(&event, &name).join("  ").trim_end());
            }
        }
        Ok(())
    }
}

/// The names of services that were asked for.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    /// The name of the service that an event is about; of one that is gone, the beginning of its id.
    async fn about(&mut self, event: &Event, api: &Api) -> String {
        let Some(id) = &event.service else { return String::new() };
        if let Some(name) = self.0.get(id) {
            return name.clone();
        }
        let short: String = id.chars().take(8).collect();
        match api.get::<Service>(&format!("/api/services/{}", segment(id))).await {
            Ok(service) => {
                let name = service.shown();
                self.0.insert(id.clone(), name.clone());
                name
            }
            Err(error) if error.code() == Code::NotFound => {
                let gone = format!("{short} (removed)");
                self.0.insert(id.clone(), gone.clone());
                gone
            }
            // What happened matters more than the name.
            Err(_) => short,
        }
    }
}

fn row(event: &Event, service: &str) -> Vec<String> {
    let time = event.time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    vec![event.number.to_string(), time, event.actor.clone(), service.to_owned(), event.told()]
}

#[cfg(test)]
mod tests {
    use super::super::api::tests::platform;
    use super::*;

    fn event(json: &str) -> Event {
        serde_json::from_str(json).unwrap()
    }

    #[tokio::test]
    async fn a_row_has_the_service_by_its_name_and_what_happened_in_words() {
        let (api, serving) = platform(vec![
            r#"{"id":"0b9f6c1e-1","name":"web","project":"default","environment":"staging","imageRegistry":"r",
                "imageName":"n","environmentVariables":{},"sealedVariables":[],"ports":[],"replicas":1,
                "status":"active","instances":[],"updatedAt":"2026-11-21T00:00:00Z"}"#,
        ])
        .await;
        let scaled = event(
            r#"{"number":7,"time":"2026-11-21T08:00:00Z","actor":"admin","service":"0b9f6c1e-1","deployment":null,
                "type":"serviceScaled","from":1,"to":3}"#,
        );
        let mut names = Names::default();
        for _ in 0..2 {
            let name = names.about(&scaled, &api).await;
            let expected =
                ["7", "2026-11-21 08:00:00Z", "admin", "default/staging/web", "scaled from 1 to 3"];
            assert_eq!(row(&scaled, &name), expected);
        }
        serving.await.unwrap();
    }

    #[test]
    fn a_kind_of_a_newer_platform_is_told_as_it_came() {
        let new = event(
            r#"{"number":8,"time":"2026-11-21T08:00:00Z","actor":"mirage","service":null,"deployment":null,
                "type":"moonRose","over":"the sea","times":2,"why":null}"#,
        );
        assert_eq!(new.told(), "moonRose over=\"the sea\" times=2");
    }
}
