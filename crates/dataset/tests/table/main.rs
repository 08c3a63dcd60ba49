//! Any table of events: what is read, in every form, against naive code.

mod films;
mod forms;
mod presets;
mod speed;
mod synthetic;
mod trips;
