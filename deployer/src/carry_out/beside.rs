//! Making and fetching at the same time.

use futures_util::future::{Either, select};

use crate::error::CommandError;

/// Makes and fetches at the same time. What is made is finished whatever becomes of the download, for it is recorded; a failure
/// there does not wait for the download.
pub async fn beside<T>(
    making: impl Future<Output = Result<(), CommandError>>,
    fetching: impl Future<Output = T>,
) -> Result<T, CommandError> {
    let (making, fetching) = (std::pin::pin!(making), std::pin::pin!(fetching));
    match select(making, fetching).await {
        Either::Left((made, fetching)) => {
            made?;
            Ok(fetching.await)
        }
        Either::Right((fetched, making)) => {
            making.await?;
            Ok(fetched)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use super::beside;
    use crate::error::CommandError;

    #[tokio::test]
    async fn a_failed_machine_does_not_wait_for_downloads() {
        let failed = ready(Err(CommandError::failed("no machine")));
        let error = beside(failed, pending::<()>()).await.expect_err("failed");
        assert_eq!(error.cause.to_string(), "no machine");
    }

    #[tokio::test]
    async fn machines_are_finished_although_a_download_failed() {
        let finished = Cell::new(false);
        let making = async {
            tokio::task::yield_now().await;
            finished.set(true);
            Ok(())
        };
        let fetched = beside(making, ready(Err::<(), _>("no download"))).await;
        assert_eq!(fetched.expect("made"), Err("no download"));
        assert!(finished.get());
    }
}
