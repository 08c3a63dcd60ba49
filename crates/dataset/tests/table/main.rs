//! Any table of events: what is read, in every form, against naive code.

mod films;
mod filters;
mod forms;
mod presets;
mod synthetic;
mod trips;
