//! Transport-wide feedback: which packets arrived, and when.
//!
//! draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1. Reads the packet where it lies:
//! nothing is allocated, and a packet that lies about its lengths is refused whole.

/// Packets that one feedback packet may tell of. A browser tells of those of 50-250 ms.
const MAX_STATUSES: u16 = 4096;
/// Header, two SSRCs, base, count, reference time, feedback count.
const CHUNKS_AT: usize = 20;
/// Microseconds of a delta's unit.
const DELTA_US: i64 = 250;
/// Microseconds of the reference time's unit.
const REFERENCE_US: i64 = 64_000;

/// One feedback packet, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    base: u16,
    count: u16,
    reference: u32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// A status symbol of section 3.1.1.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Lost,
    Small,
    Large,
}

impl Symbol {
    fn delta_len(self) -> usize {
        match self {
            Self::Lost => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }

    /// `None` for the reserved one.
    fn of(bits: u16) -> Option<Self> {
        [Self::Lost, Self::Small, Self::Large].get(usize::from(bits)).copied()
    }
}

/// Walks chunks of 16 bits: a run, 14 symbols of one bit, or 7 of two.
fn symbols(chunk: u16, mut each: impl FnMut(Symbol) -> bool) -> Option<()> {
    if chunk & 0x8000 == 0 {
        let symbol = Symbol::of(chunk >> 13 & 3)?;
        for _ in 0..chunk & 0x1fff {
            if !each(symbol) {
                return Some(());
            }
        }
    } else if chunk & 0x4000 == 0 {
        for bit in (0..14).rev() {
            if !each(if chunk >> bit & 1 == 1 { Symbol::Small } else { Symbol::Lost }) {
                return Some(());
            }
        }
    } else {
        for place in (0..7).rev() {
            if !each(Symbol::of(chunk >> (2 * place) & 3)?) {
                return Some(());
            }
        }
    }
    Some(())
}

impl<'a> TransportFeedback<'a> {
    /// Reads one RTCP packet of type 205, format 15, with its header. `None` if it is malformed.
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<CHUNKS_AT>()?;
        let base = u16::from_be_bytes([fixed[12], fixed[13]]);
        let count = u16::from_be_bytes([fixed[14], fixed[15]]);
        let reference = u32::from_be_bytes([0, fixed[16], fixed[17], fixed[18]]);
        if count == 0 || count > MAX_STATUSES {
            return None;
        }
        let body = &packet[CHUNKS_AT..];
        let (mut left, mut n_chunks, mut delta_len) = (count, 0, 0);
        for chunk in body.chunks_exact(2) {
            n_chunks += 1;
            symbols(u16::from_be_bytes([chunk[0], chunk[1]]), |symbol| {
                delta_len += symbol.delta_len();
                left -= 1;
                left > 0
            })?;
            if left == 0 {
                break;
            }
        }
        let (chunks, rest) = body.split_at_checked(2 * n_chunks)?;
        let deltas = rest.get(..delta_len)?;
        (left == 0).then_some(Self { base, count, reference, chunks, deltas })
    }

    /// The reference time in units of 64 ms: 24 bits that wrap.
    pub fn reference(&self) -> u32 {
        self.reference
    }

    /// Passes on each packet's sequence number with its arrival, in microseconds after the
    /// reference time; `None` did not arrive, as far as the receiver knows.
    pub fn each(&self, mut pass: impl FnMut(u16, Option<i64>)) {
        let (mut left, mut sequence, mut arrival) = (self.count, self.base, 0);
        let mut deltas = self.deltas;
        for chunk in self.chunks.chunks_exact(2) {
            // Checked by `parse`.
            let _ = symbols(u16::from_be_bytes([chunk[0], chunk[1]]), |symbol| {
                let Some((delta, rest)) = deltas.split_at_checked(symbol.delta_len()) else {
                    return false;
                };
                deltas = rest;
                let delta = match *delta {
                    [small] => Some(i64::from(small)),
                    [high, low] => Some(i64::from(i16::from_be_bytes([high, low]))),
                    _ => None,
                };
                arrival += delta.unwrap_or(0) * DELTA_US;
                pass(sequence, delta.map(|_| arrival));
                sequence = sequence.wrapping_add(1);
                left -= 1;
                left > 0
            });
        }
    }
}

/// The receiver's clock without the wraps of its 24 bits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReferenceClock {
    last: Option<i64>,
}

impl ReferenceClock {
    /// Microseconds on a clock of arbitrary zero.
    pub(super) fn unwrap(&mut self, reference: u32) -> i64 {
        let time = match self.last {
            None => i64::from(reference),
            Some(last) => {
                let ahead = (reference.wrapping_sub(last as u32) << 8) as i32 >> 8;
                last + i64::from(ahead)
            }
        };
        self.last = Some(time);
        time * REFERENCE_US
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes feedback of two-bit symbols: arrivals in microseconds after the reference time.
    pub(crate) fn write(base: u16, reference: u32, arrivals: &[Option<i64>]) -> Vec<u8> {
        let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        packet.extend(base.to_be_bytes());
        packet.extend((arrivals.len() as u16).to_be_bytes());
        packet.extend(&reference.to_be_bytes()[1..]);
        packet.push(0);
        let mut deltas = Vec::new();
        let mut at = 0;
        for chunk in arrivals.chunks(7) {
            let mut word = 0xc000_u16;
            for (place, arrival) in chunk.iter().enumerate() {
                let Some(arrival) = arrival else { continue };
                let delta = (arrival - at).div_euclid(DELTA_US);
                at += delta * DELTA_US;
                let small = u8::try_from(delta);
                word |= (if small.is_ok() { 1 } else { 2 }) << (12 - 2 * place);
                match small {
                    Ok(delta) => deltas.push(delta),
                    Err(_) => deltas.extend((delta as i16).to_be_bytes()),
                }
            }
            packet.extend(word.to_be_bytes());
        }
        packet.extend(deltas);
        packet.resize(packet.len().next_multiple_of(4), 0);
        let words = (packet.len() / 4 - 1) as u16;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        packet
    }

    fn read(packet: &[u8]) -> Option<Vec<(u16, Option<i64>)>> {
        let mut all = Vec::new();
        TransportFeedback::parse(packet)?.each(|sequence, at| all.push((sequence, at)));
        Some(all)
    }

    #[test]
    fn what_is_written_is_read_and_nothing_shorter() {
        let arrivals =
            [Some(250), None, Some(500), Some(70_000), Some(69_000), None, None, Some(69_250)];
        let packet = write(65_534, 5, &arrivals);
        let expected: Vec<_> = arrivals
            .iter()
            .enumerate()
            .map(|(n, at)| (65_534_u16.wrapping_add(n as u16), *at))
            .collect();
        assert_eq!(read(&packet), Some(expected));
        for length in 0..packet.len() - 3 {
            assert_eq!(read(&packet[..length]), None, "{length}");
        }
    }

    #[test]
    fn the_library_writes_what_is_read() {
        use rtc::{
            rtcp::transport_feedbacks::transport_layer_cc::{
                PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc,
                StatusVectorChunk, SymbolSizeTypeTcc, SymbolTypeTcc, TransportLayerCc,
            },
            shared::marshal::Marshal,
        };
        let small = SymbolTypeTcc::PacketReceivedSmallDelta;
        let lost = SymbolTypeTcc::PacketNotReceived;
        let delta = |delta| RecvDelta { type_tcc_packet: small, delta };
        let packet = TransportLayerCc {
            sender_ssrc: 1,
            media_ssrc: 2,
            base_sequence_number: 9,
            packet_status_count: 5,
            reference_time: 77,
            fb_pkt_count: 1,
            packet_chunks: vec![
                PacketStatusChunk::RunLengthChunk(RunLengthChunk {
                    type_tcc: StatusChunkTypeTcc::RunLengthChunk,
                    packet_status_symbol: lost,
                    run_length: 2,
                }),
                PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                    type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
                    symbol_size: SymbolSizeTypeTcc::OneBit,
                    symbol_list: vec![small, lost, small]
                        .into_iter()
                        .chain(std::iter::repeat_n(lost, 11))
                        .collect(),
                }),
            ],
            recv_deltas: vec![delta(1000), delta(250)],
        };
        let bytes = packet.marshal().expect("the library writes it");
        let read = read(&bytes).expect("it is well formed");
        let expected = [(9, None), (10, None), (11, Some(1000)), (12, None), (13, Some(1250))];
        assert_eq!(read, expected);
        assert_eq!(TransportFeedback::parse(&bytes).map(|feedback| feedback.reference()), Some(77));
    }

    #[test]
    fn no_bytes_make_it_panic_and_counts_are_bounded() {
        let mut seed = 1_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        for length in (20..80).cycle().take(20_000) {
            let bytes: Vec<u8> = (0..length).map(|_| random()).collect();
            assert!(read(&bytes).is_none_or(|all| all.len() <= usize::from(MAX_STATUSES)));
        }
    }

    #[test]
    fn the_reference_clock_goes_on_over_its_wrap() {
        let mut clock = ReferenceClock::default();
        let before = clock.unwrap(0xff_fffe);
        assert_eq!(clock.unwrap(1) - before, 3 * REFERENCE_US);
        assert_eq!(clock.unwrap(0xff_ffff) - before, REFERENCE_US, "reordered feedback");
    }
}
