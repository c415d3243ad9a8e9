//! The media plane as a whole, in memory and on loopback.
