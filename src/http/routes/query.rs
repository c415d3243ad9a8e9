//! PURE. What stands in a query.

use super::percent_decode;
use crate::ids::RoomName;

/// The first value of a key in a query, decoded; garbage is `Err`.
pub(in crate::http) fn query_value(query: Option<&str>, key: &str) -> Option<Result<String, ()>> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == key)?;
    Some(percent_decode(value, true).ok_or(()))
}

/// The room of `?roomid=NAME`, and what else was there, ` & `-joined as it was.
pub(super) fn room_of_query(query: Option<&str>) -> Option<(RoomName, String)> {
    let mut room = None;
    let mut rest = Vec::new();
    for pair in query?.split('&') {
        match pair.split_once('=') {
            Some(("roomid", name)) if room.is_none() => {
                room = RoomName::parse(&percent_decode(name, true)?).ok();
            }
            _ => rest.push(pair),
        }
    }
    Some((room?, rest.join("&")))
}

/// The same address without this key of its query; `None` where it has none.
pub(in crate::http) fn without_key(path: &str, query: &str, key: &str) -> Option<String> {
    let is_it = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        percent_decode(name, true).is_some_and(|name| name == key)
    };
    query.split('&').find(is_it)?;
    let rest: Vec<_> = query.split('&').filter(|pair| !is_it(pair)).collect();
    Some(if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) })
}
