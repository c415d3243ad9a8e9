//! PURE. What a program calls itself in `User-Agent` (RFC 9110 10.1.5), as people would call it.

/// Browsers by a product of theirs that others have not; what is based on another comes before that.
const BROWSERS: [(&str, &str); 6] = [
    ("Firefox", "Firefox"),
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
];

/// The program's name; `None` if it says none.
///
/// OBS calls itself `Mozilla/5.0 (OBS-Studio/31.0.0; Linux x86_64; en-US)`: of who begins with
/// `Mozilla`, what comes after that tells who it is.
pub(super) fn product(agent: &str) -> Option<&str> {
    let name = match agent.strip_prefix("Mozilla/") {
        Some(rest) => {
            behind_mozilla(rest).map(|name| if name == "OBS-Studio" { "OBS" } else { name })?
        }
        None => agent.split(['/', ' ']).next()?,
    };
    Some(name).filter(|name| !name.is_empty())
}

fn behind_mozilla(rest: &str) -> Option<&str> {
    // The first word of the comment, if it is a product with its version.
    let comment = rest.split_once('(').map_or("", |(_, comment)| comment);
    let first = comment.split([';', ')', ' ']).next().unwrap_or_default();
    if let Some((name, version)) = first.split_once('/')
        && version.starts_with(|c: char| c.is_ascii_digit())
    {
        return Some(name);
    }
    let is = |known: &str| {
        let mut products = rest.split(' ').filter_map(|word| word.split_once('/'));
        products.any(|(name, _)| name == known)
    };
    BROWSERS.into_iter().find(|(known, _)| is(known)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_called_as_people_call_them() {
        let cases = [
            ("OBS-Studio/30.1 (Linux)", Some("OBS-Studio")),
            ("Mozilla/5.0 (OBS-Studio/31.0.0; Linux x86_64; en-US)", Some("OBS")),
            ("Mozilla/5.0 (OBS-Studio/31.0.0)", Some("OBS")),
            ("Mozilla/5.0 (Larix/1.3; Android)", Some("Larix")),
            ("Lavf/62.3.100", Some("Lavf")),
            ("GStreamer souphttpsrc 1.22", Some("GStreamer")),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                Some("Firefox"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Safari/537.36",
                Some("Chrome"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                Some("Edge"),
            ),
            ("Mozilla/5.0 (compatible)", None),
            ("Mozilla/5.0", None),
            ("", None),
            ("/1", None),
        ];
        for (agent, expected) in cases {
            assert_eq!(product(agent), expected, "{agent}");
        }
    }
}
