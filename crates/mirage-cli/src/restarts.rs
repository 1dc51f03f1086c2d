//! Answers without an end, over restarts of the platform.

use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use mirage_core::{Code, Result};

use super::Api;

/// Pauses before a platform that went away is asked again: at first, and at most.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// Who reads the lines of an answer, and knows from where to go on after all those that were read.
pub(crate) trait Reader {
    /// What is asked for next.
    fn path(&self) -> String;

    /// The platform answers; at this time, by its own clock, where it says so.
    fn answered(&mut self, at: Option<Timestamp>);

    /// Takes a line.
    async fn take(&mut self, line: String) -> Result<()>;
}

/// Reads one answer to its end.
///
/// # Errors
/// Those of the platform, and of the reader.
pub(crate) async fn read(api: &Api, reader: &mut impl Reader) -> Result<()> {
    let mut link = Link { reader, note: |_: &str| {}, connected: false, is_away: false, lines: 0 };
    link.read(api).await
}

/// Reads on for ever: where the answer ends or breaks off, the platform is asked for what follows. Tells once that it
/// went away, and once that it is back.
///
/// # Errors
/// As [`read`]; of a platform that does not answer, only where it never has: a wrong address is no restart.
pub(crate) async fn read_on(api: &Api, reader: &mut impl Reader, note: impl FnMut(&str)) -> Result<()> {
    let mut link = Link { reader, note, connected: false, is_away: false, lines: 0 };
    let mut pause = PAUSE;
    loop {
        let before = link.lines;
        match link.read(api).await {
            Ok(()) => {}
            Err(error) if link.connected && error.code() == Code::TargetUnavailable => link.lost(),
            Err(error) => return Err(error),
        }
        pause = if link.lines > before { PAUSE } else { pause };
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

struct Link<'a, R, N> {
    reader: &'a mut R,
    note: N,
    /// Whether the platform has answered at least once.
    connected: bool,
    is_away: bool,
    /// How many were read.
    lines: u64,
}

impl<R: Reader, N: FnMut(&str)> Link<'_, R, N> {
    async fn read(&mut self, api: &Api) -> Result<()> {
        let (lines, date) = api.lines(&self.reader.path()).await?;
        self.connected = true;
        if std::mem::take(&mut self.is_away) {
            (self.note)("the platform is back");
        }
        self.reader.answered(date);
        let mut lines = pin!(lines);
        while let Some(line) = lines.try_next().await? {
            self.reader.take(line).await?;
            self.lines += 1;
        }
        Ok(())
    }

    fn lost(&mut self) {
        if !std::mem::replace(&mut self.is_away, true) {
            (self.note)("the platform went away; waiting for it");
        }
    }
}

#[cfg(test)]
mod tests {
    use mirage_core::Error;

    use super::super::api::tests::platform;
    use super::*;

    /// Reads numbers, and goes on after the last; ends after `until`.
    struct Numbers {
        read: Vec<u32>,
        asked: std::cell::RefCell<Vec<String>>,
        until: u32,
    }

    impl Reader for Numbers {
        fn path(&self) -> String {
            let path = format!("/n?after={}", self.read.last().unwrap_or(&0));
            self.asked.borrow_mut().push(path.clone());
            path
        }

        fn answered(&mut self, _: Option<Timestamp>) {}

        async fn take(&mut self, line: String) -> Result<()> {
            self.read.push(line.parse().unwrap());
            match self.read.last() == Some(&self.until) {
                true => Err(Error::new(Code::Conflict, "enough")),
                false => Ok(()),
            }
        }
    }

    #[tokio::test]
    async fn a_platform_that_goes_away_is_told_of_once_and_asked_for_what_follows() {
        let (api, serving) = platform(vec!["1\n2\n", "", "", "3\n4\n"]).await;
        let mut numbers = Numbers { read: Vec::new(), asked: Vec::new().into(), until: 4 };
        let mut said = Vec::new();
        let ended = read_on(&api, &mut numbers, |line| said.push(line.to_owned())).await;
        assert_eq!(ended.unwrap_err().message(), "enough");
        assert_eq!(numbers.read, [1, 2, 3, 4]);
        assert_eq!(said, ["the platform went away; waiting for it", "the platform is back"]);
        let after = ["/n?after=0", "/n?after=2", "/n?after=2", "/n?after=2"];
        assert_eq!(*numbers.asked.borrow(), after);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_platform_that_never_answered_is_not_waited_for() {
        let (api, serving) = platform(vec![""]).await;
        let mut numbers = Numbers { read: Vec::new(), asked: Vec::new().into(), until: 1 };
        let ended = read_on(&api, &mut numbers, |line| panic!("{line}")).await;
        assert_eq!(ended.unwrap_err().code(), Code::TargetUnavailable);
        serving.await.unwrap();
    }
}
