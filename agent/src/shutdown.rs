//! The request to end, as every loop sees it.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A request to end that may come at any time, at most once.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// Makes the request.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Asks every holder of the [`Shutdown`] to end.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

/// Returns a request that has not been made, and what makes it.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Shutdown {
    /// Returns a request that SIGTERM or SIGINT makes.
    ///
    /// # Errors
    /// When the signals cannot be caught.
    pub fn on_signals() -> std::io::Result<Self> {
        let (trigger, shutdown) = channel();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("asked to end");
            trigger.request();
        });
        Ok(shutdown)
    }

    /// Waits until the end is asked for. A trigger that was dropped unused never asks.
    pub async fn requested(&mut self) {
        if self.0.wait_for(|&requested| requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns whether the end was asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}
