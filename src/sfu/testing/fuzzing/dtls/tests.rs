//! The seeds of the target `dtls` are handshakes that went through; they still do.

use std::{fs, path::Path};

use super::{client::Client, client::Repeats, *};

/// A client's datagrams, as the target reads them.
fn recorded(stage: &Stage, has_all: bool) -> Vec<u8> {
    begin();
    let now = Instant::now();
    let mut server = Dtls::new(stage.server.clone());
    let mut client = Client::new(now, stage.client(has_all), Repeats::Flight);
    let mut to_server = client.drain(now);
    let mut record = Vec::new();
    while !to_server.is_empty() {
        let mut replies = Vec::new();
        for datagram in to_server.drain(..) {
            record.push(0);
            record.extend((datagram.len() as u16).to_be_bytes());
            record.extend(&datagram);
            server.handle(now, &datagram, |reply| replies.push(reply.to_vec()));
        }
        for reply in replies {
            to_server.extend(client.handle(now, &reply));
        }
    }
    assert!(client.completed);
    record
}

#[test]
fn recorded_handshakes_go_through_again() {
    let stage = Stage::new(Weak::Everything);
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/dtls");
    for (name, has_all, profile) in
        [("handshake", true, Profile::Gcm), ("handshake-of-cm", false, Profile::Cm)]
    {
        let path = seeds.join(name);
        let record = fs::read(&path).unwrap_or_else(|_| {
            fs::create_dir_all(&seeds).expect("the seeds' folder");
            fs::write(&path, recorded(&stage, has_all)).expect("it can be written");
            panic!("{path:?} was recorded anew; look at it, and run this again");
        });
        begin();
        let mut server = Dtls::new(stage.server.clone());
        let mut input = Input::new(&record);
        let mut progress = Progress::Going;
        while !input.is_empty() && progress != Progress::Completed {
            input.byte();
            progress = server.handle(Instant::now(), input.long_chunk(), |_| {});
        }
        assert_eq!(progress, Progress::Completed, "delete {path:?}, so that it is recorded anew");
        let keys = server.keys().expect("it is complete");
        assert_eq!((keys.profile, keys.fingerprint), (profile, stage.fingerprint));
    }
}
