//! Bytes, changed with no idea of what they mean.

use crate::harness::Random;

/// Changes some bytes: flips, cuts, repeats, moves, inserts.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let length = random.below(16.min(bytes.len() - at) + 1);
        match random.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let piece = bytes[at..at + length].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            5 => {
                let number = random.number().to_le_bytes();
                bytes.splice(at..at + length, number);
            }
            _ => bytes.insert(at, *random.pick(&[0, 1, 0x7F, 0x80, 0xFF, b'\n', b'-', b'.', b':'])),
        }
    }
}
