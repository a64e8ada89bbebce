//! Questions to the API server at a steady rate, or as fast as the machine answers when that is slower: what is sought
//! are failures of the webhooks, not of an overwhelmed API server.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{sync::Mutex, task::JoinSet, time::MissedTickBehavior};

use crate::stage::Stage;

/// Who asks all the time leaves nothing for others who do: each such test is alone among them from its beginning.
pub static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
/// Most questions under way at one time.
const AT_ONCE: usize = 8;

/// What came of it.
#[derive(Debug, Default)]
pub struct Load {
    /// How many questions were asked.
    pub asked: usize,
    /// The errors of those that failed.
    pub failed: Vec<String>,
    /// The longest that one took.
    pub slowest: Duration,
}

impl Load {
    /// Asks so often in a second, until `work` ends.
    pub async fn during<T>(
        stage: &Stage,
        rate: u32,
        work: impl Future<Output = Result<T>>,
    ) -> Result<(T, Self)> {
        let mut load = Self::default();
        let mut asking = JoinSet::new();
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut work = pin!(work);
        let result = loop {
            tokio::select! {
                result = &mut work => break result?,
                _ = ticks.tick(), if asking.len() < AT_ONCE => {
                    load.asked += 1;
                    let (client, namespace) = (stage.scene.client.clone(), stage.namespace.clone());
                    asking.spawn(async move {
                        let began = Instant::now();
                        let answer = Stage::ask(&client, &namespace).await;
                        (answer, began.elapsed())
                    });
                }
                Some(answer) = asking.join_next() => load.take(answer?),
            }
        };
        while let Some(answer) = asking.join_next().await {
            load.take(answer?);
        }
        Ok((result, load))
    }

    fn take(&mut self, (answer, took): (Result<(), kube::Error>, Duration)) {
        self.slowest = self.slowest.max(took);
        if let Err(error) = answer {
            tracing::warn!(target: "kymaros_certs", %error, "a question failed");
            self.failed.push(error.to_string());
        }
    }

    /// Nothing failed.
    pub fn assert_unharmed(&self) {
        let Self {
            asked,
            failed,
            slowest,
        } = self;
        println!(
            "{asked} questions, {} failed, the slowest took {slowest:?}",
            failed.len()
        );
        assert!(
            failed.is_empty(),
            "{} of {asked} failed, such as: {}",
            failed.len(),
            failed[0]
        );
    }
}
