//! PURE. The layers that a section offers to send: `a=rid` and `a=simulcast` (RFC 8851, RFC 8853).

use super::Part;
use crate::sfu::path::MAX_LAYERS;

/// Names of layers in the offer's order, at most [`MAX_LAYERS`]; empty where there is one encoding.
///
/// Of alternatives (`a,b`) the first is taken, also where it is paused (`~`). RFC 8853 gives no order of
/// quality, and names mean nothing: browsers write the smallest first, OBS the largest. Which is which
/// is seen by what comes.
pub(super) fn rids(part: &Part<'_>) -> Vec<String> {
    let Some(offered) = part.value("simulcast") else { return Vec::new() };
    let mut words = offered.split_whitespace();
    let list = loop {
        match words.next() {
            Some("send") => break words.next().unwrap_or_default(),
            Some(_) => {}
            None => return Vec::new(),
        }
    };
    let sends =
        |rid: &str| part.values("rid").any(|value| value.split(' ').take(2).eq([rid, "send"]));
    let is_name = |rid: &str| {
        (1..=16).contains(&rid.len())
            && rid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let mut rids: Vec<String> = Vec::new();
    for stream in list.split(';') {
        let rid = stream.split(',').next().unwrap_or_default().trim_start_matches('~');
        let is_new = !rids.iter().any(|known| known == rid);
        if is_name(rid) && sends(rid) && is_new && rids.len() < MAX_LAYERS {
            rids.push(rid.to_owned());
        }
    }
    if rids.len() < 2 { Vec::new() } else { rids }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_in_order_and_nonsense_is_one_encoding() {
        type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);
        let three = ["q send", "h send", "f send"];
        let cases: &[Row<'_>] = &[
            ("send q;h;f", &three, &["q", "h", "f"]),
            ("send f;h;q", &three, &["f", "h", "q"]),
            ("recv x send ~q,h;f", &three, &["q", "f"]),
            ("send 1;2", &["2 send pt=96", "1 send"], &["1", "2"]),
            ("send a;b;c;d;a", &["a send", "b send", "c send", "d send"], &["a", "b", "c", "d"]),
            ("send q;h;f", &["q send", "h recv"], &[]),
            ("send q", &three, &[]),
            ("recv q;h", &three, &[]),
            ("send", &three, &[]),
            ("", &three, &[]),
        ];
        for (simulcast, rids, expected) in cases {
            let mut attributes = vec![("simulcast", *simulcast)];
            attributes.extend(rids.iter().map(|rid| ("rid", *rid)));
            let part = Part { m_line: "", attributes };
            assert_eq!(super::rids(&part), *expected, "{simulcast}");
        }
        assert!(super::rids(&Part { m_line: "", attributes: Vec::new() }).is_empty());
    }
}
