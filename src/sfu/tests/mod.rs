//! The media plane as a whole: rooms' wishes in, packets through, in memory and in virtual time an
//! hour ahead of the wall clock, so that reading the wall clock fails loudly.

mod annex;
mod both_ports;
pub(crate) mod client;
mod codecs;
mod demand;
mod forged;
mod layers;
mod link;
mod loopback;
mod loss;
mod moving;
mod paced;
mod peer;
mod reconcile;
mod redundant;
mod reports;
mod stall;
mod start;
mod voices;
mod whep;
mod world;
