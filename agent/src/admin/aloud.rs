//! Saying what is waited for while it is waited for: whoever looks on sees a step that stands still, and not why.

use std::time::Duration;

use tokio::time::timeout;

/// How long nobody wonders.
const SILENCE: Duration = Duration::from_secs(2);

/// Does some work, and says once what for when it takes its time.
pub(super) async fn aloud<T>(words: &str, work: impl Future<Output = T>) -> T {
    aloud_after(SILENCE, words, |line| tracing::info!("{line}"), work).await
}

async fn aloud_after<T>(
    silence: Duration,
    words: &str,
    say: impl FnOnce(&str),
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = timeout(silence, &mut work).await {
        return done;
    }
    say(&format!("waiting for {words}"));
    work.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_takes_its_time_says_what_for() {
        let limit = Duration::from_millis(1);
        let mut said = Vec::new();
        aloud_after(
            limit,
            "the first",
            |line| said.push(line.to_owned()),
            async {},
        )
        .await;
        let nap = tokio::time::sleep(Duration::from_millis(50));
        aloud_after(limit, "the second", |line| said.push(line.to_owned()), nap).await;
        assert_eq!(said, ["waiting for the second"]);
    }
}
