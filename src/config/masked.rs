//! Secrets that somebody sends back as they were shown, `***`, stay as they are.
//!
//! PURE. The settings page shows lists of rooms, cameras and servers whole, and sends them back whole:
//! without this each change of a list would ask for all its secrets again. An entry is known by what
//! identifies it (a room's name, a camera's id, a server's addresses, a user's name); where that has
//! changed, the secret has to be written again.

use serde_json::Value;

use super::forms::{MASK, show_source};

/// By which an entry of a list is known.
const IDENTITIES: [&str; 3] = ["id", "name", "urls"];

/// Puts into what somebody sends the secrets that the page holds already.
pub fn unmask(sent: &mut Value, held: Option<&Value>) {
    let Some(held) = held else { return };
    match sent {
        Value::String(text) if text == MASK => *sent = held.clone(),
        Value::Array(entries) => {
            let held = held.as_array().map(Vec::as_slice).unwrap_or_default();
            for entry in entries {
                unmask_entry(entry, held);
            }
        }
        _ => {}
    }
}

fn unmask_entry(sent: &mut Value, held: &[Value]) {
    match sent {
        // `name:password`, as coturn has it.
        Value::String(text) => {
            let Some(name) = text.strip_suffix(MASK).filter(|name| name.ends_with(':')) else {
                return;
            };
            let mut users = held.iter().filter_map(Value::as_str);
            if let Some(same) = users.find(|user| user.starts_with(name)) {
                *text = same.to_owned();
            }
        }
        Value::Object(fields) => {
            let same = |other: &&Value| {
                IDENTITIES.iter().any(|key| fields.get(*key).is_some_and(|id| other[key] == *id))
            };
            let Some(other) = held.iter().find(same) else { return };
            for (key, value) in fields {
                if other.get(key).is_some_and(|held| is_shown_as(held, value)) {
                    *value = other[key.as_str()].clone();
                }
            }
        }
        _ => {}
    }
}

/// Whether this is how a value that is held is shown, its secret hidden.
fn is_shown_as(held: &Value, sent: &Value) -> bool {
    let (Some(held), Some(sent)) = (held.as_str(), sent.as_str()) else { return false };
    let shown = show_source(&toml::Value::from(held));
    sent == MASK || (sent.contains(MASK) && shown.as_str() == Some(sent))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_shown_comes_back_as_it_was_and_nothing_else_does() {
        let rooms = json!([{"name": "Attic", "password": "pear"}]);
        let cameras = json!([{"id": "door", "source": "rtsp://me:pear@cam.example/live"}]);
        let users = json!(["bob:pear", "bobby:plum"]);
        let cases = [
            (json!("***"), json!("pear"), json!("pear")),
            (json!("new"), json!("pear"), json!("new")),
            (
                json!([{"name": "Attic", "password": "***", "locked": true}]),
                rooms.clone(),
                json!([{"name": "Attic", "password": "pear", "locked": true}]),
            ),
            // Another room, or another camera's address, does not get the secret of this one.
            (
                json!([{"name": "Cellar", "password": "***"}]),
                rooms,
                json!([{"name": "Cellar", "password": "***"}]),
            ),
            (
                json!([{"id": "door", "source": "rtsp://me:***@cam.example/live", "fps": 5}]),
                cameras.clone(),
                json!([{"id": "door", "source": "rtsp://me:pear@cam.example/live", "fps": 5}]),
            ),
            (
                json!([{"id": "door", "source": "rtsp://me:***@elsewhere.example/live"}]),
                cameras,
                json!([{"id": "door", "source": "rtsp://me:***@elsewhere.example/live"}]),
            ),
            (json!(["bobby:***", "eve:***"]), users.clone(), json!(["bobby:plum", "eve:***"])),
            (json!(["bob:new"]), users, json!(["bob:new"])),
        ];
        for (mut sent, held, expected) in cases {
            unmask(&mut sent, Some(&held));
            assert_eq!(sent, expected);
        }
        let mut sent = json!("***");
        unmask(&mut sent, None);
        assert_eq!(sent, json!("***"));
    }
}
