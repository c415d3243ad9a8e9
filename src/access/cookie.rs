//! PURE. Cookies as this box sets and reads them (RFC 6265).
//!
//! The prefix `__Host-` (RFC 6265bis, 4.1.3.2) binds a cookie to this host alone: no neighbour's page
//! and no plain-http answer can plant one, which is half of session fixation. The other half: signing
//! in always makes a new token.

/// Holds the token of a session.
pub const SESSION_COOKIE: &str = "__Host-parlor-session";

/// Holds the local URL's token.
pub const LOCAL_COOKIE: &str = "__Host-parlor-local";

/// A `Set-Cookie` for a token. No scripts, https alone, never with a request of another site.
pub fn set(name: &str, token: &str, max_age_s: u64) -> String {
    format!("{name}={token}; Max-Age={max_age_s}; Path=/; HttpOnly; Secure; SameSite=Strict")
}

/// A `Set-Cookie` that takes it away.
pub fn clear(name: &str) -> String {
    set(name, "", 0)
}

/// The values of a cookie in a `Cookie` header, quotes aside. There may be none or several: whoever
/// reads them takes the first that is good.
pub fn cookies<'a>(header: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    header.split(';').filter_map(move |pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_this_host_and_no_script() {
        let set = set(SESSION_COOKIE, "abc", 60);
        for word in ["__Host-parlor-session=abc", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"]
        {
            assert!(set.contains(word), "{set}");
        }
        assert!(!set.contains("Domain") && clear(SESSION_COOKIE).contains("Max-Age=0"));
    }

    #[test]
    fn cookies_are_read_as_browsers_write_them() {
        let cases: [(&str, &[&str]); 6] = [
            ("a=1; b=2", &["1"]),
            ("b=2;a=1", &["1"]),
            ("a=\"1\"; a=2", &["1", "2"]),
            ("a=1=2", &["1=2"]),
            ("a; aa=1; =1", &[]),
            ("", &[]),
        ];
        for (header, expected) in cases {
            assert_eq!(cookies(header, "a").collect::<Vec<_>>(), expected, "{header}");
        }
    }
}
