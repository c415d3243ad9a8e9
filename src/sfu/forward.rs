//! What a viewer's copy of a packet is called in its header.

/// The part of an RTP header that differs from viewer to viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded {
    /// Sequence number in the viewer's stream.
    pub sequence: u16,
    /// Timestamp in the viewer's stream, in ticks of the codec's clock.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
}
