//! CryptoNote addresses: tag, keys, payment id, checksum, in base58 by blocks.

use sha3::{Digest as _, Keccak256};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const FULL_BLOCK: usize = 8;
/// Bytes of a block -> characters.
const CHARACTERS: [usize; 9] = [0, 2, 3, 5, 6, 7, 9, 10, 11];

/// Varints.
const STANDARD: [u8; 2] = [0xc5, 0x01];
const INTEGRATED: [u8; 2] = [0xf8, 0x6c];
const INTEGRATED_NEW: [u8; 2] = [0xf8, 0x6d];

pub(crate) fn standard(keys: &[u8; 64]) -> String {
    encode(&STANDARD, keys, &[])
}

pub(super) fn integrated(keys: &[u8; 64], payment_id: &[u8]) -> String {
    encode(&INTEGRATED, keys, payment_id)
}

fn encode(tag: &[u8], keys: &[u8], payment_id: &[u8]) -> String {
    let mut bytes = [tag, keys, payment_id].concat();
    let checksum = Keccak256::digest(&bytes);
    bytes.extend(checksum.iter().take(4));
    bytes.chunks(FULL_BLOCK).map(block).collect()
}

fn block(bytes: &[u8]) -> String {
    let mut number = bytes.iter().fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
    let mut text = Vec::new();
    for _ in 0..CHARACTERS.get(bytes.len()).copied().unwrap_or(0) {
        let digit = usize::try_from(number % 58).unwrap_or(0);
        text.push(char::from(*ALPHABET.get(digit).unwrap_or(&b'1')));
        number /= 58;
    }
    text.iter().rev().collect()
}

/// Keys and payment id (empty in a standard address) of an address with a right checksum.
pub(super) fn decode(text: &str) -> Option<([u8; 64], Vec<u8>)> {
    let mut bytes = Vec::new();
    for characters in text.as_bytes().chunks(11) {
        let size = CHARACTERS.iter().position(|c| *c == characters.len())?;
        let mut number = 0_u128;
        for character in characters {
            let digit = ALPHABET.iter().position(|a| a == character)?;
            number = number.checked_mul(58)?.checked_add(u128::try_from(digit).ok()?)?;
        }
        let all = u64::try_from(number).ok()?.to_be_bytes();
        let (high, low) = all.split_at_checked(FULL_BLOCK - size)?;
        if high.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend(low);
    }
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if !Keccak256::digest(body).starts_with(checksum) {
        return None;
    }
    let (tag, rest) = body.split_at_checked(2)?;
    let (keys, id) = rest.split_at_checked(64)?;
    let fits = match id.len() {
        0 => tag == STANDARD,
        8 => tag == INTEGRATED || tag == INTEGRATED_NEW,
        _ => false,
    };
    fits.then(|| Some((keys.try_into().ok()?, id.to_vec()))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD_SAMPLE: &str =
        "ZxCk74TxaFsRvbHrvebi5fgBLXDWukJ3VRXk6PENQ4orUTRfh11EHjCgCBxokeg5FEPHumvqJ76ikKHnD43iGjsE1cVfgebFa";
    const INTEGRATED_SAMPLE: &str = "iZ2EEMZWeKBRvbHrvebi5fgBLXDWukJ3VRXk6PENQ4orUTRfh11EHjCgCBxokeg5FEPHumvqJ76ikKHnD43iGjsECvV53PeAEkM3CLGRmST3";

    #[test]
    fn the_samples_of_the_documents_both_ways() {
        let (keys, none) = decode(STANDARD_SAMPLE).unwrap();
        let (same, id) = decode(INTEGRATED_SAMPLE).unwrap();
        assert_eq!((keys, none, hex::encode(&id)), (same, vec![], "1dfe5a88ff9effb3".to_owned()));
        assert_eq!(standard(&keys), STANDARD_SAMPLE);
        assert_eq!(integrated(&keys, &id), INTEGRATED_SAMPLE);
    }

    #[test]
    fn texts_that_are_no_address() {
        for bad in [
            "",
            "1",
            "iZ",
            INTEGRATED_SAMPLE.trim_start_matches('i'),
            "iZ0",
            &STANDARD_SAMPLE.replace('Z', "z"),
        ] {
            assert!(decode(bad).is_none(), "{bad}");
        }
    }
}
