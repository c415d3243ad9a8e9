//! The front door over real TLS: what it serves, what it refuses, how it says so.

#[path = "http/accounts.rs"]
mod accounts;
#[path = "http/attempts.rs"]
mod attempts;
#[path = "http/client.rs"]
mod client;
#[path = "http/doctor.rs"]
mod doctor;
#[path = "http/endings.rs"]
mod endings;
#[path = "http/events.rs"]
mod events;
#[path = "http/house.rs"]
mod house;
#[path = "http/ice.rs"]
mod ice;
#[path = "http/pages.rs"]
mod pages;
#[path = "http/refusals.rs"]
mod refusals;
#[path = "http/room_password.rs"]
mod room_password;
#[path = "http/signaling.rs"]
mod signaling;
#[path = "http/visitors.rs"]
mod visitors;
