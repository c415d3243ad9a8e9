//! The golden signaling messages: the same files are read by the JavaScript tests.

use std::{collections::BTreeSet, fs, path::Path};

use parlor::protocol::{CLIENT_TYPES, Outgoing, Request};
use serde_json::Value;

/// Types the server sends; a new one needs a golden message.
const SERVER_TYPES: &[&str] = &[
    "welcome",
    "joined",
    "waiting",
    "published",
    "done",
    "pong",
    "error",
    "member-joined",
    "member-changed",
    "member-left",
    "room-changed",
    "knocks",
    "muted",
    "chat-deleted",
    "viewer-joined",
    "viewer-changed",
    "viewer-left",
    "chat",
    "ice-servers",
    "speakers",
    "offer",
    "mids",
    "layers",
    "direct",
    "direct-signal",
    "restart",
    "bye",
];

#[test]
fn every_golden_message_is_read_and_written_back_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(&folder).expect("tests/protocol is there") {
        let path = entry.expect("a readable entry").path();
        let text = fs::read_to_string(&path).expect("a readable file");
        let golden: Value = serde_json::from_str(&text).expect("JSON");
        let message = golden["message"].clone();
        let again = match golden["direction"].as_str() {
            Some("client") => {
                let request = Request::parse(&message.to_string())
                    .unwrap_or_else(|bad| panic!("{}: {}", path.display(), bad.message));
                serde_json::to_value(request)
            }
            Some("server") => {
                let outgoing: Outgoing = serde_json::from_value(message.clone())
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                serde_json::to_value(outgoing)
            }
            other => panic!("{}: direction {other:?}", path.display()),
        };
        assert_eq!(again.expect("it serializes"), message, "{}", path.display());
        let kind = message["type"].as_str().expect("a type").to_owned();
        seen.insert((golden["direction"].to_string(), kind));
    }
    for (direction, types) in [("\"client\"", CLIENT_TYPES), ("\"server\"", SERVER_TYPES)] {
        for kind in types {
            let key = (direction.to_owned(), (*kind).to_owned());
            assert!(seen.contains(&key), "no golden message of type {kind} from {direction}");
        }
    }
}
