//! A run that dies.

use seminar_trainer::{Observer, StepInfo};

/// Leaves training at a step, as a killed process does.
pub struct Leave(pub u64);

impl Observer for Leave {
    fn step(&mut self, _: &StepInfo) {
        match self.0.checked_sub(1) {
            Some(left) => self.0 = left,
            None => std::panic::resume_unwind(Box::new("killed")),
        }
    }
}
