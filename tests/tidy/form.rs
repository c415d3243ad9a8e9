//! The form of files: size, documentation, what is said about sends, no path of anybody's machine.

use std::collections::BTreeSet;

use crate::{
    Fault,
    source::{Source, Token, item_end},
};

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 70;

/// How many lines above a send its comment may stand.
const COMMENT_REACH: usize = 8;

/// Names of methods that put something into a channel. Those that only a watch channel has are not
/// among them: it holds the newest value and is never full.
const SENDS: [&str; 4] = ["send", "try_send", "blocking_send", "send_timeout"];

/// Receivers that are no channel that could be full: a method of one's own, and the `reply` of a
/// request, a oneshot, which always takes its one value.
const NO_CHANNELS: [&str; 2] = ["self", "reply"];

/// Invariant 6, files.
pub(crate) fn file_size(path: &str, text: &str) -> Vec<Fault> {
    let n_lines = text.lines().count();
    let fault = || Fault {
        path: path.into(),
        line: n_lines,
        text: format!("{n_lines} lines; at most {MAX_FILE_LINES}"),
    };
    if n_lines > MAX_FILE_LINES { vec![fault()] } else { Vec::new() }
}

/// Invariant 6, functions: lines with code from `fn` to the closing brace, tests included.
pub(crate) fn function_sizes(source: &Source) -> Vec<Fault> {
    let tokens = &source.all_tokens;
    let mut faults = Vec::new();
    for at in 0..tokens.len() {
        let named =
            tokens.get(at + 1).is_some_and(|next| next.text.starts_with(char::is_alphabetic));
        if tokens[at].text != "fn" || !named {
            continue;
        }
        let body = &tokens[at..item_end(tokens, at)];
        let lines: BTreeSet<usize> = body.iter().map(|token| token.line).collect();
        if lines.len() > MAX_FUNCTION_LINES {
            let name = &tokens[at + 1].text;
            let text = format!("`{name}` has {} lines; at most {MAX_FUNCTION_LINES}", lines.len());
            faults.push(Fault::new(source, tokens[at].line, text));
        }
    }
    faults
}

/// Invariant 6, documentation.
pub(crate) fn module_docs(source: &Source) -> Vec<Fault> {
    let says_something = source.module_docs().iter().any(|line| !line.trim().is_empty());
    let fault = || Fault::new(source, 1, "no module documentation (`//!`) at its head".into());
    if says_something { Vec::new() } else { vec![fault()] }
}

/// The page's modules begin with a comment that says what they are.
pub(crate) fn script_docs(path: &str, text: &str) -> Vec<Fault> {
    let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
    let fault = || Fault {
        path: path.into(),
        line: 1,
        text: "no comment at its head that says what it is".into(),
    };
    if first.starts_with("/*") || first.starts_with("//") { Vec::new() } else { vec![fault()] }
}

/// Invariant 5: every send says what happens when the channel is full, and none is unbounded.
pub(crate) fn channels(source: &Source) -> Vec<Fault> {
    let lines: Vec<&str> = source.text.lines().collect();
    let says = |line: &&str| {
        let said = line.split_once("// overflow:").map(|(_, said)| said.trim_start());
        let words = ["awaited", "nudge", "DROPS", "none"];
        said.is_some_and(|said| words.iter().any(|word| said.starts_with(word)))
    };
    let mut faults = Vec::new();
    for (at, token) in source.tokens.iter().enumerate() {
        let text = |offset: usize| source.tokens.get(at + offset).map(|token| token.text.as_str());
        if is_unbounded(&source.tokens, at) {
            let text = "an unbounded channel; every channel has a bound".to_owned();
            faults.push(Fault::new(source, token.line, text));
        }
        let receiver = at.checked_sub(1).map(|before| source.tokens[before].text.as_str());
        let is_send = token.text == "."
            && text(1).is_some_and(|name| SENDS.contains(&name))
            && text(2) == Some("(")
            && !receiver.is_some_and(|name| NO_CHANNELS.contains(&name));
        // The method's own line: the dot may begin a line of its own.
        let line = token.line;
        let reach = &lines[line.saturating_sub(1 + COMMENT_REACH)..line.min(lines.len())];
        if is_send && !reach.iter().any(says) {
            let text = format!(
                "`.{}(` without `// overflow: awaited | nudge | DROPS | none, because`",
                text(1).unwrap_or_default()
            );
            faults.push(Fault::new(source, line, text));
        }
    }
    faults
}

fn is_unbounded(tokens: &[Token], at: usize) -> bool {
    let word = tokens[at].text.as_str();
    word == "unbounded_channel" || word == "unbounded" || word == "UnboundedSender"
}

/// No file may name a folder of the machine on which it was written.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for folder in ["work", "root"] {
            // Put together here, so that this file does not accuse itself.
            let needle = format!("/{folder}/");
            let starts = line.match_indices(&needle).any(|(at, _)| {
                // `$HOME/work/`, `src/root/`, `https://x.org/home/` are not at the file system's root.
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "}._-*".contains(c))
            });
            if starts {
                let text = format!("{needle} is a path of somebody's machine");
                faults.push(Fault { path: path.into(), line: index + 1, text });
            }
        }
    }
    faults
}
