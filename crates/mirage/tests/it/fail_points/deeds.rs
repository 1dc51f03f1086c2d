//! How each act is made ready, asked for, and brought to its end.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use xtask::bed::{Layer, Temper, containers, web};

use super::act::{Act, Verb};
use super::range::{Range, Subject, path_of, settings};
use super::round::How;

impl Range {
    /// Makes what the act needs, before anything is wrong.
    pub(super) fn make(&mut self, act: Act) -> Result<Subject> {
        self.made += 1;
        let number = self.made;
        let name = format!("n{number}");
        let subject = match act {
            Act::Deploy => {
                let next = if self.wanted["web"].version == "web-0" { 1 } else { 0 };
                self.subject("web", "web", next)
            }
            Act::Pull => {
                self.push("web", number, Temper::Good)?;
                self.subject("web", "web", number)
            }
            Act::Fail => self.subject("web", "bad", 0),
            Act::Cancel => self.subject("web", "deaf", 0),
            Act::Create | Act::Environment => {
                let reference = self.registry.reference("trial/worker:0");
                Subject { name, version: "worker-0".to_owned(), reference, ..Subject::default() }
            }
            Act::Remove => {
                let (version, reference) = (format!("{name}-0"), self.push(&name, 0, Temper::Good)?);
                self.create(&name, &version, &reference, json!({}))?;
                Subject { name, version, reference, ..Subject::default() }
            }
            Act::Volume => {
                let mut image = web(&format!("{name}-0"), Temper::Good);
                let layer = Layer::new().directory("data", 0o755).file("data/first", 0o644, "from the image");
                image.layers.push(layer);
                let reference = self.registry.reference(&format!("trial/{name}:0"));
                image.push(&reference)?;
                Subject { version: format!("{name}-0"), name, reference, ..Subject::default() }
            }
            Act::Restore => {
                self.verb(&["volume", "create", &name], "")?;
                Subject { name, ..Subject::default() }
            }
            Act::Push => {
                let own = format!("127.0.0.1:{}/trial/{name}:0", self.platform.api_port());
                Subject { name, reference: own, ..Subject::default() }
            }
            Act::Verb(verb) => {
                if let Some(before) = verb.after() {
                    let (words, told) = before.words(&name);
                    self.verb(&words.iter().map(String::as_str).collect::<Vec<_>>(), told)?;
                }
                if verb == Verb::RemoveVolume {
                    self.verb(&["volume", "create", &name], "")?;
                }
                let name = if verb == Verb::RemoveToken { self.token(&name)? } else { name };
                Subject { name, ..Subject::default() }
            }
            Act::Scale | Act::Kill => Subject::named("worker"),
            Act::Upload => {
                self.noted.clear();
                Subject::named(&name)
            }
            Act::GiveUp | Act::Expire => self.make_upload(name)?,
            Act::Untag => self.make_pushed(name)?,
            Act::Certificate => self.make_certificate(&name)?,
            Act::Signed => Subject::named(&format!("{name}.example.test")),
            Act::Account => {
                self.lose_account()?;
                Subject::named(&format!("{name}.example.test"))
            }
            Act::Rotate => {
                self.seal(&name)?;
                Subject::named(&name)
            }
            Act::Reset => {
                self.seal(&name)?;
                self.lose_key()?;
                Subject::named(&name)
            }
            Act::End => self.make_filled_volume(name)?,
            Act::Minute | Act::Year | Act::Again | Act::Relay => Subject::named(&name),
            Act::Backup | Act::Save => self.make_file(name)?,
            Act::Replace => self.make_replaced(name)?,
            Act::First => self.make_first()?,
        };
        Ok(subject)
    }

    /// Asks for it, once; answers with the deployment, where there is one.
    pub(super) fn ask(&mut self, act: Act, subject: &Subject) -> Result<Option<String>> {
        let Subject { name, reference, .. } = subject;
        match act {
            Act::Deploy | Act::Pull | Act::Fail => self.platform.begin_deploy(name, reference).map(Some),
            Act::Cancel => {
                let id = self.platform.begin_deploy(name, reference)?;
                self.cancel(&id)?;
                Ok(Some(id))
            }
            Act::Create | Act::Environment | Act::Volume => {
                let created = self.platform.accepted("/api/services/from-image", &settings(act, subject))?;
                Ok(created["deployment"]["id"].as_str().map(str::to_owned))
            }
            Act::Remove => self.delete(&path_of(act, name)).map(|()| None),
            Act::Scale => self.scale(2).map(|()| None),
            Act::Kill => {
                let running = containers(&self.platform.data());
                let worker = running.iter().find(|one| one.version == "worker-0").context("no worker")?;
                kill(Pid::from_raw(i32::try_from(worker.pid)?), Signal::SIGKILL)?;
                Ok(None)
            }
            Act::Restore => {
                let archive = self.archive.to_string_lossy().into_owned();
                self.verb(&["volume", "restore", name, "--from", &archive], "").map(|()| None)
            }
            Act::Push => {
                let token = self.platform.token();
                web(name, Temper::Good).push_as(reference, ("any", &token)).map(|_| None)
            }
            Act::Upload => self.upload(name).map(|()| None),
            Act::GiveUp => self.give_up_upload().map(|()| None),
            Act::Expire => self.rest_upload().map(|()| None),
            Act::Untag => self.untag(name).map(|()| None),
            Act::Certificate => self.bring_certificate(subject).map(|()| None),
            Act::Signed | Act::Account => self.verb(&["domain", "add", "web", name], "").map(|()| None),
            Act::Rotate => self.verb(&["vault", "rotate"], "").map(|()| None),
            Act::Reset => self.verb(&["vault", "reset", "--drop-secrets"], "").map(|()| None),
            Act::End => self.end_volume(name).map(|()| None),
            Act::Minute => self.pass_minute().map(|()| None),
            Act::Year => self.pass_year(name).map(|()| None),
            Act::Backup => self.back_up(subject).map(|()| None),
            Act::Replace => self.restore(subject).map(|()| None),
            Act::First => self.start_first().map(|()| None),
            Act::Again => self.start_again().map(|()| None),
            Act::Relay => self.kill_proxy().map(|()| None),
            Act::Save => self.save(subject).map(|()| None),
            Act::Verb(verb) => {
                let (words, told) = verb.words(name);
                self.verb(&words.iter().map(String::as_str).collect::<Vec<_>>(), told).map(|()| None)
            }
        }
    }

    /// Sees to it that what was asked for becomes so, with nothing in the way any more. Answers with the
    /// reason, where the deployment that was accepted has failed.
    pub(super) fn conclude(
        &mut self,
        act: Act,
        subject: &Subject,
        asked: Option<String>,
        how: How,
    ) -> Result<Option<String>> {
        let Subject { name, version, reference, .. } = subject;
        let ended = asked.map(|id| self.platform.until_ended(&id)).transpose()?;
        let phase = ended.as_ref().and_then(|ended| ended["phase"].as_str()).unwrap_or_default().to_owned();
        let failed = match (phase.as_str(), &ended) {
            ("failed", Some(ended)) => {
                let why = ended["error"]["message"].as_str().filter(|why| !why.is_empty());
                Some(
                    why.with_context(|| format!("a deployment failed and says nothing: {ended}"))?.to_owned(),
                )
            }
            _ => None,
        };
        let succeeded = matches!(phase.as_str(), "active" | "superseded");
        match act {
            Act::Deploy | Act::Pull => {
                if !succeeded {
                    self.until_idle(name)?;
                    let id = self.platform.begin_deploy(name, reference)?;
                    self.platform.until_active(&id)?;
                }
                self.want(name, version, 1);
            }
            Act::Fail => {
                if failed.is_none() {
                    self.until_idle(name)?;
                    let id = self.platform.begin_deploy(name, reference)?;
                    let ended = self.platform.until_ended(&id)?;
                    if ended["phase"] != "failed" {
                        bail!("an image that ends by itself: {ended}");
                    }
                }
                return Ok(None);
            }
            Act::Cancel => self.cancel_all(name)?,
            Act::Create | Act::Environment | Act::Volume => {
                if !succeeded {
                    self.create_again(act, subject)?;
                }
                self.leave(act, name)?;
            }
            Act::Remove => {
                self.remove_at(&path_of(act, name))?;
                self.wanted.remove(name);
            }
            Act::Scale => {
                self.scale(2)?;
                self.scale(1)?;
            }
            Act::Kill => {}
            Act::Restore | Act::Push | Act::Upload | Act::GiveUp | Act::Untag => {
                self.ask(act, subject)?;
            }
            Act::Expire => self.until_upload_gone()?,
            Act::Certificate => {
                self.until_certificate_served(subject)?;
                self.verb(&["domain", "remove", name], "")?;
            }
            Act::Signed | Act::Account => {
                self.until_signed(name)?;
                self.verb(&["domain", "remove", name], "")?;
            }
            Act::Rotate => self.vault_is_well(name)?,
            Act::Reset => {
                // It may have been done already.
                self.said(&["vault", "reset", "--drop-secrets"], "")?;
                self.vault_is_well(name)?;
            }
            Act::End => self.until_volume_gone(subject)?,
            Act::Minute => self.until_minute_kept(how == How::Crash)?,
            Act::Year => self.until_forgotten()?,
            Act::Backup => self.back_up_again(subject)?,
            Act::Replace => self.restore_again(subject)?,
            Act::First => self.start_first_again()?,
            Act::Relay => self.until_proxied()?,
            Act::Save => self.save_again(subject)?,
            Act::Again => {
                if self.platform.control_id().is_none() {
                    self.platform.serve()?;
                }
            }
            Act::Verb(verb) => {
                let (words, told) = verb.words(name);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let again = self.said(&words, told)?;
                // It may have been done already.
                let done =
                    ["NOT_FOUND", "NAME_TAKEN", "CONFLICT"].iter().any(|code| again.stderr.contains(code));
                if again.code != 0 && !done {
                    bail!("{words:?}: {}", again.stderr);
                }
            }
        }
        Ok(failed)
    }
}
