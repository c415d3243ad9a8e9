//! What an SDP that parlor writes must be, whatever the client has said.

/// An answer to an offer of so many sections: lines end as they must, each is of the form `x=value`
/// without control characters, and sections and mids are the offer's.
pub(crate) fn check_answer(answer: &str, mids: &[String]) {
    assert!(answer.starts_with("v=0\r\n") && answer.ends_with("\r\n"));
    let lines: Vec<&str> = answer.split_terminator("\r\n").collect();
    for line in &lines {
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.as_bytes().get(1) == Some(&b'='), "{line:?}");
        assert!(line.as_bytes()[0].is_ascii_lowercase(), "{line:?}");
    }
    let own: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("a=mid:")).collect();
    assert_eq!(own, mids);
    let m_lines = lines.iter().filter(|line| line.starts_with("m="));
    assert_eq!(m_lines.clone().count(), mids.len());
    for line in m_lines {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(words.len() >= 4 && ["0", "9"].contains(&words[1]), "{line:?}");
    }
}
