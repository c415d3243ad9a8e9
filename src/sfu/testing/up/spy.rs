//! An interceptor of the test's client that notes which RTCP reached it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use rtc::{
    interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{
        payload_feedbacks::{
            full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
        },
        receiver_report::ReceiverReport,
        transport_feedbacks::{
            transport_layer_cc::TransportLayerCc, transport_layer_nack::TransportLayerNack,
        },
    },
    sansio::Protocol,
    shared::error::Error,
};

/// RTCP that reached a client: a letter and the SSRC that it is about, in order.
pub(super) type Seen = Arc<Mutex<Vec<(&'static str, u32)>>>;

/// Notes the RTCP that comes, and lets all pass.
#[derive(Default)]
pub(super) struct Spy {
    pub(super) seen: Seen,
    inward: VecDeque<TaggedPacket>,
    outward: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Spy {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            for packet in packets {
                let any = packet.as_any();
                let kind = if any.is::<PictureLossIndication>() {
                    "pli"
                } else if any.is::<FullIntraRequest>() {
                    "fir"
                } else if any.is::<TransportLayerNack>() {
                    "nack"
                } else if any.is::<ReceiverReport>() {
                    "report"
                } else if any.is::<TransportLayerCc>() {
                    "transport-cc"
                } else {
                    "other"
                };
                let about = packet.destination_ssrc().first().copied().unwrap_or(0);
                self.seen.lock().expect("one thread").push((kind, about));
            }
        }
        self.inward.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inward.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.outward.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outward.pop_front()
    }
}

impl Interceptor for Spy {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
