//! The media plane as a whole: rooms' wishes in, packets through, in memory and in virtual time an
//! hour ahead of the wall clock, so that reading the wall clock fails loudly.

pub(crate) mod annex;
mod both_ports;
mod codecs;
mod demand;
mod faults;
mod forged;
mod growth;
mod layers;
mod loopback;
mod loss;
mod moving;
mod paced;
mod reconcile;
mod redundant;
mod reports;
mod stall;
mod start;
mod tcp;
mod voices;
mod whep;
