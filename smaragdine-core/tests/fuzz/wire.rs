//! Protocol buffers as trees, whatever their types: taken apart, changed, and encoded with lengths that are right again.

use crate::harness::Random;

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(Vec<u8>),
    Message(Message),
}

/// Fields in order: number and value.
pub(crate) type Message = Vec<(u32, Value)>;

const DEEPEST: usize = 10;

/// The fields of a message; `None` where these bytes are none.
pub(crate) fn parse(bytes: &[u8]) -> Option<Message> {
    parse_at(bytes, 0)
}

fn parse_at(mut bytes: &[u8], depth: usize) -> Option<Message> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..1 << 29).contains(number))?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => Value::Fixed64(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let inside = take(&mut bytes, length)?;
                // Text can read as a message by accident; a name is worth more as a name.
                let is_text = inside.iter().all(|byte| (0x20..0x7F).contains(byte));
                match (!is_text && depth < DEEPEST).then(|| parse_at(inside, depth + 1)).flatten() {
                    Some(message) => Value::Message(message),
                    None => Value::Bytes(inside.to_vec()),
                }
            }
            5 => Value::Fixed32(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?)),
            _ => return None,
        };
        fields.push((number, value));
    }
    Some(fields)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

pub(crate) fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, value) in message {
        let key = |kind: u64| u64::from(*number) << 3 | kind;
        match value {
            Value::Varint(value) => {
                put(&mut bytes, key(0));
                put(&mut bytes, *value);
            }
            Value::Fixed64(value) => {
                put(&mut bytes, key(1));
                bytes.extend_from_slice(&value.to_le_bytes());
            }
            Value::Fixed32(value) => {
                put(&mut bytes, key(5));
                bytes.extend_from_slice(&value.to_le_bytes());
            }
            Value::Bytes(inside) => put_delimited(&mut bytes, key(2), inside),
            Value::Message(inside) => put_delimited(&mut bytes, key(2), &encode(inside)),
        }
    }
    bytes
}

fn put_delimited(bytes: &mut Vec<u8>, key: u64, inside: &[u8]) {
    put(bytes, key);
    put(bytes, inside.len() as u64);
    bytes.extend_from_slice(inside);
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Leaves at most `most` of the fields of each number in each message, chosen at random: a large recording becomes a
/// small one of the same kind.
pub(crate) fn thin(message: Message, most: usize, random: &mut Random) -> Message {
    let mut counts = std::collections::HashMap::new();
    message.iter().for_each(|(number, _)| *counts.entry(*number).or_insert(0) += 1);
    let kept = message.into_iter().filter(|(number, _)| counts[number] <= most || random.below(counts[number]) < most);
    let kept: Vec<_> = kept.collect();
    let thinner = |value| match value {
        Value::Message(inside) => Value::Message(thin(inside, most, random)),
        other => other,
    };
    let (numbers, values): (Vec<u32>, Vec<Value>) = kept.into_iter().unzip();
    numbers.into_iter().zip(values.into_iter().map(thinner)).collect()
}

/// Changes a few fields anywhere in the tree.
pub(crate) fn mutate(message: &mut Message, random: &mut Random) {
    for _ in 0..=random.below(6) {
        let donor = somewhere(message, random).get(random.below(8)).cloned();
        let fields = somewhere(message, random);
        let at = random.below(fields.len());
        if fields.is_empty() {
            fields.extend(donor);
            continue;
        }
        match random.below(8) {
            0 => drop(fields.remove(at)),
            1 => fields.insert(at, fields[at].clone()),
            2 => {
                let other = random.below(fields.len());
                fields.swap(at, other);
            }
            3 => fields[at].0 = *random.pick(&[1, 2, 3, 4, 5, 6, 7, 8, 15, 1 << 20]),
            4 => fields[at].1 = donor.map_or(Value::Varint(0), |(_, value)| value),
            // A chain of messages, each within the one before.
            5 if random.chance(8) => {
                for _ in 0..random.below(300) {
                    let inside = std::mem::replace(&mut fields[at].1, Value::Varint(0));
                    fields[at].1 = Value::Message(vec![(fields[at].0, inside)]);
                }
            }
            _ => change(&mut fields[at].1, random),
        }
    }
}

fn change(value: &mut Value, random: &mut Random) {
    match value {
        Value::Varint(value) | Value::Fixed64(value) => *value = random.number(),
        Value::Fixed32(value) => *value = random.number() as u32,
        Value::Bytes(bytes) => crate::bytes::mutate(bytes, random),
        Value::Message(inside) => {
            let bytes = encode(inside);
            *value = Value::Bytes(bytes);
        }
    }
}

/// The fields of the message itself or of one within it.
fn somewhere<'a>(message: &'a mut Message, random: &mut Random) -> &'a mut Message {
    let messages: Vec<usize> = (0..message.len()).filter(|at| matches!(message[*at].1, Value::Message(_))).collect();
    if messages.is_empty() || random.chance(4) {
        return message;
    }
    let at = *random.pick(&messages);
    match &mut message[at].1 {
        Value::Message(inside) => somewhere(inside, random),
        _ => unreachable!("only messages were picked"),
    }
}
