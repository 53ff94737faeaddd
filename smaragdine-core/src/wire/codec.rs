//! Decoding of what clients send, which may not become much larger in memory than it was on its way.
//!
//! Two bytes can say that there is one more event, of which each takes a hundred in memory: 4 MiB of them are 400 MiB.

use std::marker::PhantomData;

use bytes::Buf;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// Entries that one request may hold. An event with its stamps takes more than twenty bytes, so honest ones reach their
/// 4 MiB first.
pub const MOST_ENTRIES: usize = 1 << 18;

/// Protocol buffers, of bounded size once they are decoded.
#[derive(Debug)]
pub struct Bounded<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Bounded<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Bounded<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(ProstDecoder::default())
    }
}

/// Decodes a message unless it has too many entries.
#[derive(Debug)]
pub struct BoundedDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // The whole message lies in one piece: tonic hands none out sooner.
        if entries(buffer.chunk()) > MOST_ENTRIES {
            return Err(Status::resource_exhausted(format!(
                "a request holds more than {MOST_ENTRIES} entries\nhint: send events and steps in several requests"
            )));
        }
        self.0.decode(buffer)
    }
}

/// How many fields a message has, those of its parts included but not those of theirs. What cannot be a message counts
/// for what was understood of it.
fn entries(message: &[u8]) -> usize {
    let mut count = 0;
    fields(message, |part| {
        count += 1;
        // What has no room for many need not be looked into.
        if part.len() > MOST_ENTRIES {
            fields(part, |_| {
                count += 1;
                count <= MOST_ENTRIES
            });
        }
        count <= MOST_ENTRIES
    });
    count
}

/// Calls `each` with the bytes of every field until it says no: those of numbers are empty.
fn fields<'a>(mut message: &'a [u8], mut each: impl FnMut(&'a [u8]) -> bool) {
    while message.has_remaining() {
        let Ok((_, kind)) = decode_key(&mut message) else { return };
        let length = match kind {
            WireType::Varint => decode_varint(&mut message).map(|_| 0),
            WireType::SixtyFourBit => Ok(8),
            WireType::ThirtyTwoBit => Ok(4),
            WireType::LengthDelimited => decode_varint(&mut message),
            WireType::StartGroup | WireType::EndGroup => Ok(0),
        };
        let Some(part) = length.ok().and_then(|length| message.get(..usize::try_from(length).ok()?)) else { return };
        message = &message[part.len()..];
        let part = if kind == WireType::LengthDelimited { part } else { &[] };
        if !each(part) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v1;
    use crate::wire::v1::record_request::Payload;

    fn of(payload: Payload) -> usize {
        entries(&v1::RecordRequest { payload: Some(payload), ..v1::RecordRequest::default() }.encode_to_vec())
    }

    #[test]
    fn requests_that_would_grow_in_memory_are_known_before_they_are_decoded() {
        let event = v1::Event::default();
        let batch = |count| v1::EventBatch { events: vec![event.clone(); count], ..v1::EventBatch::default() };
        assert!(of(Payload::Events(batch(MOST_ENTRIES + 1))) > MOST_ENTRIES);
        let ops = vec![v1::Op::default(); MOST_ENTRIES + 1];
        assert!(of(Payload::Events(v1::EventBatch { ops, ..v1::EventBatch::default() })) > MOST_ENTRIES);
        let steps = vec![v1::Step::default(); MOST_ENTRIES + 1];
        assert!(of(Payload::Steps(v1::StepBatch { steps })) > MOST_ENTRIES);
        let layer_paths = vec![String::new(); MOST_ENTRIES + 1];
        assert!(of(Payload::Model(v1::Model { layer_paths, ..v1::Model::default() })) > MOST_ENTRIES);
        let labels = (0..=MOST_ENTRIES).map(|n| (n.to_string(), String::new())).collect();
        assert!(entries(&v1::StartRequest { labels, ..v1::StartRequest::default() }.encode_to_vec()) > MOST_ENTRIES);
    }

    #[test]
    fn as_many_events_as_fit_into_a_request_are_taken_and_a_profile_is_not_looked_into() {
        let event = v1::Event { op: 1, start_ns: 1, end_ns: 2, ..v1::Event::default() };
        let count = (4 << 20) / (event.encoded_len() + 2);
        let batch = v1::EventBatch { events: vec![event; count], ..v1::EventBatch::default() };
        assert!(of(Payload::Events(batch)) <= MOST_ENTRIES);
        let data = vec![0x0a_u8; 1 << 20].into();
        assert!(of(Payload::Profile(v1::Profile { data, ..v1::Profile::default() })) < 8);
    }

    #[test]
    fn bytes_that_are_no_message_are_not_counted_for_ever() {
        for bytes in [&[0xff_u8; 64][..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x0b], &[]] {
            assert!(entries(bytes) <= bytes.len());
        }
    }
}
