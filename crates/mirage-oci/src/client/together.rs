//! Who asks the same question while it is being answered gets that answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// Answers that are on their way, by question.
pub(crate) struct Together<K, V: Clone>(Mutex<HashMap<K, WeakShared<BoxFuture<'static, V>>>>);

impl<K, V: Clone> Default for Together<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Together<K, V> {
    /// The answer to `question`: that of whoever asks already, else by `ask`. It goes on as long as one of
    /// those who wait for it is left.
    pub(crate) async fn ask(&self, question: K, ask: impl FnOnce() -> BoxFuture<'static, V>) -> V {
        self.joined(question, ask).await
    }

    fn joined(
        &self,
        question: K,
        ask: impl FnOnce() -> BoxFuture<'static, V>,
    ) -> Shared<BoxFuture<'static, V>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.upgrade().is_some());
        // An answer that is there is of the past: whoever comes now wants to know what is now.
        let under_way = |one: &Shared<_>| one.peek().is_none();
        if let Some(one) = all.get(&question).and_then(WeakShared::upgrade).filter(under_way) {
            return one;
        }
        let one = ask().shared();
        all.extend(one.downgrade().map(|weak| (question, weak)));
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_question_is_asked_once_at_a_time_and_again_after_its_answer() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let together = Together::default();
        let ask = || {
            async {
                tokio::task::yield_now().await;
                ASKED.fetch_add(1, Ordering::Relaxed)
            }
            .boxed()
        };
        assert_eq!(tokio::join!(together.ask("a", ask), together.ask("a", ask)), (0, 0));
        let (a, b) = tokio::join!(together.ask("a", ask), together.ask("b", ask));
        assert_eq!(a + b, 1 + 2, "another question has an answer of its own");
        let first = together.joined("a", ask);
        assert_eq!(first.clone().await, 3);
        assert_eq!(together.ask("a", ask).await, 4, "an answer that somebody still holds is not given again");
        drop(first);
    }

    #[tokio::test]
    async fn who_leaves_first_does_not_take_the_answer_along() {
        let together = Together::default();
        let slow = || {
            async {
                tokio::task::yield_now().await;
                7
            }
            .boxed()
        };
        let mut first = together.joined((), slow);
        assert!(futures_util::poll!(&mut first).is_pending());
        let second = together.joined((), || panic!("it is on its way"));
        drop(first);
        assert_eq!(second.await, 7);
    }
}
