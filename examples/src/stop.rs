//! Ctrl-C during training: the step is finished and a checkpoint written. A second Ctrl-C ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use seminar_trainer::Observer;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Asks training to stop once the process gets an interrupt. Outside training, interrupts end the process as usual.
#[derive(Debug)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    /// Whether interrupts have their usual effect.
    usual: Arc<AtomicBool>,
}

impl Interrupt {
    /// Watches for interrupts from now until it is dropped.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn watch() -> std::io::Result<Self> {
        let watch = Self { asked: Arc::default(), usual: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_default(signal, watch.usual.clone())?;
            flag::register_conditional_default(signal, watch.asked.clone())?;
            flag::register(signal, watch.asked.clone())?;
        }
        Ok(watch)
    }
}

impl Observer for Interrupt {
    fn stop(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.usual.store(true, Ordering::Relaxed);
    }
}
