//! A test that cannot run here says its name, past what the test runner keeps of a passing test; `make
//! test` lists such lines at its end.

use std::io::Write;

/// `what` is the test's name and what is missing.
pub(crate) fn skipped(what: &str) {
    // Where stderr is closed nobody reads it.
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}
