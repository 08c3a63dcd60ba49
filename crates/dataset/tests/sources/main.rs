//! Every reader under every encoding and trouble: the same data, or an error that says what is wrong and where.

mod cases;
mod encodings;
mod errors;
mod inputs;
mod oracle;
mod table;
