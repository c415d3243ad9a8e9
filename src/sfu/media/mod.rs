//! PURE. Packets of tracks: what they are, which are kept, which go on under which header.
//!
//! Owns no connection: a track does not know who brings it nor who takes it.

pub mod forward;
pub mod packet;
pub mod payload;
pub mod red;
pub(crate) mod sdp;
pub mod speakers;
pub mod track;
