//! No file holds a secret: keys, tokens of services, passwords in addresses.
//!
//! What begins like one is looked for in every text file. Examples that are meant to be read are told
//! apart by what makes them unfit: dots or stars in the middle, or too few characters.

use crate::Fault;

/// How secrets begin, and how many characters of their alphabet follow at least. Put together here, so that
/// this file does not accuse itself.
fn beginnings() -> [(String, usize); 9] {
    [
        (["gh", "p_"].concat(), 36),
        (["gh", "s_"].concat(), 36),
        (["github", "_pat_"].concat(), 40),
        (["glpat", "-"].concat(), 20),
        (["np", "m_"].concat(), 36),
        (["AK", "IA"].concat(), 16),
        (["xox", "b-"].concat(), 20),
        (["cio", "R"].concat(), 32),
        (["sk", "-ant-"].concat(), 20),
    ]
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// What in a file is, or looks like, a secret.
pub(crate) fn secrets(path: &str, text: &str) -> Vec<Fault> {
    let key = ["PRIVATE", " KEY-----"].concat();
    let mut faults = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let mut found = |what: &str| {
            let text = format!("{what}: a secret is no part of the source");
            faults.push(Fault { path: path.into(), line: index + 1, text });
        };
        // Code may name the header; a key has its base64 on the next line.
        let is_base64 = |line: &&str| {
            let line = line.trim();
            line.len() >= 40 && line.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c))
        };
        if line.contains("-----BEGIN")
            && line.contains(&key)
            && lines.get(index + 1).is_some_and(is_base64)
        {
            found("a private key");
        }
        for (start, least) in beginnings() {
            let is_token = line.match_indices(&start).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let length =
                    line[at + start.len()..].chars().take_while(|&c| is_of_token(c)).count();
                !before.is_some_and(is_of_token) && length >= least
            });
            if is_token {
                found("a token");
            }
        }
    }
    faults
}
