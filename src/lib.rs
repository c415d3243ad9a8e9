//! parlor: a private place to meet and to watch.
//!
//! One binary holds what people assemble by hand from a room server, a signaling server, an SFU, a
//! TURN server, a proxy with certificates and a camera streamer. Decisions are made in pure code,
//! performed by tasks at the rim, and packets never wait for a decision.
//!
//! # Bird's-eye view
//!
//! ```text
//!  others --WHIP, WHEP--> http::streams --v
//!  browser --wss--> http::session --> rooms (one task a room, a pure `room` inside)
//!     ^                                  | desired state        ^ observed state
//!     |                                  v                      |
//!     +--SRTP-- sfu worker: socket -> demux -> up -> track -> forward -> down -> socket
//!                                                ^
//!  camera: GStreamer webrtcbin --loopback SRTP---+   (a member like any other)
//!
//!  net: netlink -> Addresses -> candidates, certificate names, printed URLs
//! ```
//!
//! # Layers
//!
//! ```text
//!  main -> app            knows everyone, known by nobody
//!    http  rooms  sfu  camera  turn  net  trust  store  doctor  probe  telemetry   shells
//!    room  sfu::{media,path,wire::{candidates,demux,rtp,rtcp}}  net::{parse,policy}  pure
//!    camera::{state,encoder}  http::{host,routes,demux,sdp_fragment}  stun  turn::server  pure
//!    doctor::verdicts                                                     pure
//!    protocol  ids  config  seams                                         vocabulary
//! ```
//!
//! Between shells only these edges exist: `http -> rooms, access, trust, store, doctor`;
//! `rooms -> room, sfu, store`; `sfu -> stun`; `turn -> stun`; `probe -> stun`; `camera -> rooms`;
//! `access -> store`; `doctor -> net, probe, sfu, turn, trust`; every shell `-> telemetry`.
//! All else goes through [`seams`] or is wired by [`app`].
//!
//! # Invariants
//!
//! `tests/tidy.rs` checks them.
//!
//! 1. Pure modules contain no `tokio`, `async fn`, sockets, clocks, `rand`.
//! 2. `rtc` only in `sfu` and `probe`; `webrtc` only in `probe`; `gstreamer` only in `camera`; `hyper` and rustls
//!    listeners only in `http`, WebSocket there and in `probe`; `nix` only in `net` and `telemetry`; `rusqlite` only in `store`.
//! 3. The camera is a member like any other: `room`, `rooms` and `sfu` never import `camera`.
//! 4. Packets never pass through a room task.
//! 5. Every channel is bounded and every send says what happens when it is full. No lock across
//!    `.await`.
//! 6. No file over 400 lines, no function over 70; module docs everywhere.
//!
//! # Map
//! ```text
//! src/
//!   main.rs              arguments -> settings -> logging -> app::run -> exit code
//!   lib.rs               this map
//!   app/                 composition root: starts every task in order, watches over them, drains in
//!                        reverse
//!   cli.rs               the command line: arguments in, what is to be done out; exit codes
//!   fuzzing/             what each fuzz target calls, and the test over the kept inputs; not in the binary
//!   ids.rs               names of things: parsed once, then carried as types
//!   ids/
//!     text.rs            PURE. what text people may show each other
//!   protocol/            signaling messages both ways
//!   seams/               plain values and traits by which parts meet without knowing each other
//!   access/              who is who: LAN rule, roles and what they may, invites, passwords, sessions
//!   camera/              the box's own cameras; the only place that names `gstreamer`
//!   boot/                before anything runs: reads the configuration, claims the data folder
//!   config/              PURE. what was written -> what it means
//!   doctor/              whether the box is reached wherever it can be, and what to do where it is not
//!     verdicts/          PURE. facts -> well or not, and what to do, in both languages
//!     gather.rs          everything in its order
//!     services.rs        ports, and what answers there; servers of others
//!     machine.rs         clock, disk, devices, heat
//!     media.rs           offers that try whether media comes in
//!   probe/               a client of any parlor
//!     url.rs             PURE. where one is
//!     https.rs           requests
//!     tls.rs             what a server shows, and whether this system trusts it
//!     link.rs            datagrams, or frames of a stream
//!     stun.rs            where am I, seen from there?
//!     turn.rs            whether a relay carries anything
//!     way.rs             by what a server is reached
//!     socket.rs          the signaling socket
//!     media.rs           real media, by one way alone
//!     verdicts.rs        PURE. what the facts mean
//!     run.rs             `parlor probe`: one after the other
//!   http/                the front door: the only place that names hyper and WebSocket
//!     denied.rs          answers to whoever is refused
//!     error_page.rs      problems as pages, in both languages
//!     account.rs         set-up, signing in and out
//!     invites.rs         invites, by the owner
//!     people.rs          accounts, by the owner
//!     doctor.rs          what the doctor tells
//!     settings.rs        what is in force, and what the owner changes
//!     host.rs            PURE. the host a request names, the origin it comes from
//!     routes.rs          PURE. what a path means
//!     near_miss.rs       PURE. addresses of WHIP and WHEP that are nearly right
//!     user_agent.rs      PURE. what a program is called
//!     demux.rs           PURE. TLS, HTTP or neither, by the first byte
//!     crowd.rs           which connections are open, and who makes room when there are too many
//!     activity.rs        what a connection does, and when it has done nothing for too long
//!     limits.rs          joins and requests of one source
//!     listener.rs        sockets that listen
//!     connection.rs      one connection: TLS, HTTP/1.1 and 2, its time
//!     handler/           one request: gate (who may come in), dispatch (route -> answer), body, and
//!                        what is more than an answer: a farewell, an upgrade to WebSocket
//!     api.rs             what /api/v1 and /trust tell
//!     assets.rs          the page: built in, or from a folder
//!     reply.rs           answers, problems, the headers of all
//!     body.rs            bodies: there already, or still coming
//!     cameras.rs         the box's cameras: what there is, how it is, who watches
//!     stills.rs          single pictures of a camera, one or one after the other
//!     go2rtc.rs          a camera's socket as go2rtc has it
//!     session.rs         one client's signaling
//!     ice.rs             STUN and TURN servers for clients, and when they are told anew
//!     session/           joining: who it is in its room
//!     transport.rs       how a session's messages travel
//!     socket.rs          WebSocket, one such transport
//!     events.rs          POST with server-sent events, another
//!     body.rs            the body of an answer: whole, or piece by piece
//!     ingest.rs          what WHIP and WHEP have in common: forms of requests, sessions, CORS
//!     whip.rs            publishing by an HTTP client's offer (RFC 9725)
//!     whep.rs            watching by an HTTP client's offer
//!     streams.rs         sessions of WHIP and WHEP: the table
//!     streams/           what one is in its room, and its task
//!     sdp_fragment.rs    PURE. trickled candidates and ICE restarts, as SDP fragments
//!     fuzzing.rs         its doors for fuzzing
//!   net/                 LAN addresses
//!     parse.rs           PURE. netlink: bytes in, values out
//!     table.rs           PURE. what the kernel has told so far, and what to ask next
//!     policy.rs          PURE. which addresses are announced, in which order
//!     networks.rs        PURE. what is around: own, on a link, containers', forwarders
//!     container.rs       whether parlor itself runs in a container
//!     watch.rs           the netlink socket and its task
//!   room/                PURE. one room: members, chat, who publishes, who watches, which two talk directly
//!   rtsp/                cameras for recorders and players
//!   rooms/               the registry, one task a room; the ledger: what is said, to the store and back
//!   store/               SQLite, one thread: people, invites, sessions, page settings, audit, chat;
//!                        backups
//!   stun/                PURE. STUN messages, read in place and written: integrity, fingerprint
//!   sfu/                 the media plane; the only place that names `rtc`; imports run downward
//!     door/              open, publish, watch, close; a room on several workers is one; placement
//!     worker/            one thread, one UDP port, its rooms: the loop, mailbox, moderation
//!     router/            one room's media: wishes made real, intake, fan-out, what is stale, demand
//!     relay/             outlets: consumers of tracks that are no viewers, as another worker is
//!     up/                a publisher's connection, ours: answers any offer, opens, asks again
//!     down/              a viewer's connection, ours: offers or answers, seals, RTCP
//!     media/             PURE. packets, keyframes, caches, forwarding, redundant sound, voices, SDP as read
//!     path/              PURE. arrivals -> estimate of a viewer's path -> layers of its tiles
//!     link/              ICE-lite, DTLS for its keys, SRTP, credentials
//!     wire/              sockets, the arena, demux, RTP headers, candidates
//!     testing/           ends in memory, doors for fuzzing, the library as reference; not in the binary
//!   telemetry/           logging, metrics, systemd
//!   trust/               the box's own CA and its leaves, a given certificate, resume tokens
//!   turn/                the STUN and TURN server
//!     server/            PURE. what each message means and what follows from it; allocations' lives
//!     allocation.rs      PURE. one allocation: its relays, permissions, channels
//!     policy.rs          PURE. which peers a relay may be used for, which address of ours they see
//!     credential.rs      PURE. users, and time-limited passwords
//!     nonce.rs           PURE. nonces without state
//!     source.rs          PURE. how much strangers are answered
//!     rate.rs            PURE. so much a second
//!     ports.rs           PURE. which port a new relay gets
//!     frame.rs           PURE. messages in a stream
//!     handout.rs         PURE. which servers a client is told of, with passwords for a time
//!     outlet.rs          PURE. what the server asks of the world
//!     outbox.rs          PURE. datagrams of one wake-up, those for one peer side by side
//!     rules.rs           PURE. settings and addresses -> what the server goes by
//!     door.rs            starting, stopping, the way in for streams
//!     worker.rs          its thread: batches all the way through
//!     world.rs           what decisions do: sockets, streams, peers' connections
//!     socket.rs          UDP by GRO and GSO
//!     stream.rs          clients by TCP and TLS, a task each
//!     peer.rs            TCP connections with peers (RFC 6062)
//!     fuzzing.rs         its door for fuzzing
//! web/                   the page: ES modules served as they lie here
//!   room/                joining and the room: state and protocol (pure), socket, up, down, direct; `direct/`,
//!                        `media/`, `views/`
//!   camera/              the page of one camera: state (pure), its connection
//!   settings/            the owner's page: model (pure), views by lit-html
//!   doctor/              whether this browser reaches the box: verdicts (pure), what it tries, trickle ICE
//!   signin/              signing in, and set-up by the code
//!   trust/               how to trust the box's certificate, by plain http as well
//!   shared/              what all pages use: elements, languages, looks
//!   test/                run by `node --test`
//! ```
//!
//! Dated decisions are in `docs/decisions/`, the signaling protocol in `docs/protocol.md`.

pub mod access;
pub mod app;
pub mod boot;
#[cfg(feature = "camera")]
pub mod camera;
pub mod cli;
pub mod config;
pub mod doctor;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod ids;
pub mod net;
pub mod probe;
pub mod protocol;
pub mod room;
pub mod rooms;
pub mod rtsp;
pub mod seams;
pub mod sfu;
pub mod store;
pub mod stun;
pub mod telemetry;
pub mod trust;
pub mod turn;
