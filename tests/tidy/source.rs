//! Rust source as tokens and comments: enough to ask who names whom, without a compiler.
//!
//! A hand-written lexer on purpose: it has to tell code from comments and literals, and nothing more.
//! Does not expand macros; what a macro's arguments name is seen like any other code.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A word or a punctuation mark (`::` is one), or `""` for any literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the repository, `/` between.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The code without what is compiled for tests only.
    pub(crate) tokens: Vec<Token>,
    /// The whole code.
    pub(crate) all_tokens: Vec<Token>,
    /// Names of modules in files of their own that are only there for tests.
    test_modules: Vec<String>,
}

impl Source {
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let all_tokens = lex(text);
        let (tokens, test_modules) = without_tests(&all_tokens);
        let (path, text) = (path.to_owned(), text.to_owned());
        Self { path, text, tokens, all_tokens, test_modules }
    }

    /// `src/sfu/forward.rs` and `src/sfu/forward/mod.rs` are `["sfu", "forward"]`; `lib.rs` and
    /// `main.rs` are the root, `[]`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/");
        let path = path.strip_suffix(".rs").unwrap_or(path);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if ["lib", "main"].contains(&path) { Vec::new() } else { path.split('/').collect() }
    }

    /// The modules below that it has for tests only, as `sfu/forward/tests`.
    fn test_modules(&self) -> impl Iterator<Item = String> + '_ {
        let own = self.module().join("/");
        self.test_modules.iter().map(move |name| match own.as_str() {
            "" => name.clone(),
            own => format!("{own}/{name}"),
        })
    }

    /// The module's own documentation, a line each, without `//!`.
    pub(crate) fn module_docs(&self) -> Vec<&str> {
        let lines = self.text.lines().skip_while(|line| line.is_empty());
        lines.map_while(|line| line.strip_prefix("//!")).map(str::trim_end).collect()
    }

    /// Paths this file names outside of tests, with their line: `crate::net::start` and the like,
    /// `use` trees taken apart, `super` and `self` resolved to `crate`.
    pub(crate) fn paths(&self) -> Vec<(Vec<String>, usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            // `use<'a>` says what an opaque type captures.
            if self.tokens[at].text == "use" && !is(&self.tokens, at + 1, "<") {
                at = use_tree(&self.tokens, at + 1, &[], &mut found);
            } else if starts_path(&self.tokens, at) {
                let line = self.tokens[at].line;
                let mut path = Vec::new();
                while is_word(&self.tokens, at) {
                    path.push(self.tokens[at].text.clone());
                    at += 1;
                    if !is(&self.tokens, at, "::") {
                        break;
                    }
                    at += 1;
                }
                found.push((path, line));
            } else {
                at += 1;
            }
        }
        for (path, _) in &mut found {
            self.resolve(path);
        }
        found
    }

    fn resolve(&self, path: &mut Vec<String>) {
        if !matches!(path.first().map(String::as_str), Some("super" | "self")) {
            return;
        }
        let mut module: Vec<String> = self.module().iter().map(|&name| name.to_owned()).collect();
        let mut rest = path.as_slice();
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "super" => drop(module.pop()),
                "self" => {}
                _ => break,
            }
            rest = after;
        }
        *path = std::iter::once("crate".to_owned()).chain(module).chain(rest.to_vec()).collect();
    }
}

/// Every file below `folder` with one of these endings, sorted; build output and packages left out.
pub(crate) fn files(root: &Path, folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if ["target", "node_modules", ".git"].contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The crate's sources that are in the product: test modules left out.
pub(crate) fn sources(root: &Path) -> Vec<Source> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a readable file");
        let relative = path.strip_prefix(root).expect("it lies below").to_string_lossy();
        Source::parse(&relative, &text)
    };
    let all: Vec<Source> = files(root, "src", &[".rs"]).into_iter().map(read).collect();
    let tests: BTreeSet<String> = all.iter().flat_map(Source::test_modules).collect();
    all.into_iter()
        .filter(|source| {
            let module = source.module().join("/");
            !tests.iter().any(|test| module == *test || module.starts_with(&format!("{test}/")))
        })
        .collect()
}

fn is(tokens: &[Token], at: usize, text: &str) -> bool {
    tokens.get(at).is_some_and(|token| token.text == text)
}

fn is_word(tokens: &[Token], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| token.text.starts_with(is_word_char))
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A word that `::` follows and that neither `::` nor a method's dot precedes.
fn starts_path(tokens: &[Token], at: usize) -> bool {
    let goes_on = at > 0 && (is(tokens, at - 1, "::") || is(tokens, at - 1, "."));
    is_word(tokens, at) && is(tokens, at + 1, "::") && !goes_on
}

/// Takes a `use` tree apart; returns where it ends.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        match tokens.get(at).map(|token| token.text.as_str()) {
            Some("{") => {
                at += 1;
                while at < tokens.len() && !is(tokens, at, "}") {
                    at = use_tree(tokens, at, &path, found);
                    if is(tokens, at, ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some("::") => at += 1,
            Some("as") => at += 2,
            Some(text) if text == "*" || text.starts_with(is_word_char) => {
                path.push(text.to_owned());
                at += 1;
            }
            _ => {
                found.push((path, line));
                return at;
            }
        }
    }
}

/// The tokens outside of `#[cfg(test)]` items, and the names of modules in files that are such items.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let pattern = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !(0..pattern.len()).all(|offset| is(tokens, at + offset, pattern[offset])) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += pattern.len();
        let end = item_end(tokens, at);
        let item = &tokens[at..end];
        if let Some(position) = item.iter().position(|token| token.text == "mod")
            && is(item, position + 2, ";")
        {
            modules.push(item[position + 1].text.clone());
        }
        at = end;
    }
    (kept, modules)
}

/// Behind the item's `;` or closing brace, whichever ends it.
pub(crate) fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Words, marks and literals; comments and blanks fall away.
fn lex(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let rest = &text[at..];
        let first = rest.chars().next().unwrap_or(' ');
        let (len, token) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (block_comment(rest), None)
        } else if let Some(len) = literal(rest) {
            (len, Some("\"\""))
        } else if is_word_char(first) {
            let len = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
            (len, Some(&rest[..len]))
        } else if rest.starts_with("::") {
            (2, Some("::"))
        } else if first.is_whitespace() {
            (first.len_utf8(), None)
        } else {
            (first.len_utf8(), Some(&rest[..first.len_utf8()]))
        };
        tokens.extend(token.map(|text| Token { text: text.to_owned(), line }));
        line += rest[..len].matches('\n').count();
        at += len;
    }
    tokens
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of a string, byte string, raw string or character that begins here.
fn literal(text: &str) -> Option<usize> {
    let body = text.strip_prefix('b').or_else(|| text.strip_prefix('c')).unwrap_or(text);
    let prefix = text.len() - body.len();
    if let Some(raw) = body.strip_prefix('r') {
        let n_hashes = raw.bytes().take_while(|&byte| byte == b'#').count();
        if let Some(inside) = raw[n_hashes..].strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(n_hashes));
            let closing = inside.find(&end).map_or(inside.len(), |found| found + end.len());
            return Some(prefix + 1 + n_hashes + 1 + closing);
        }
    }
    let quote = body.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let mut escaped = false;
    for (offset, c) in body.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some(prefix + offset + 1);
        } else if quote == '\'' && offset > 1 && !body[1..].starts_with('\\') {
            // A lifetime or a label, not a character. One character may be several bytes.
            return None;
        }
    }
    None
}
