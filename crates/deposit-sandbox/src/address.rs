//! Addresses as wallets take them: random keys in the form of each chain, with a right checksum. A wallet that is shown one of the sandbox's
//! addresses takes it, so what is tried here by hand is what happens with the real providers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

use crate::random::Random;

const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Groups of five bits; the last one is filled up with zeros.
fn fives(bytes: &[u8]) -> Vec<u8> {
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| byte >> (7 - n % 8) & 1);
    (0..(bytes.len() * 8).div_ceil(5)).map(|g| (0..5).fold(0, |five, n| five << 1 | bit(g * 5 + n))).collect()
}

fn letters(fives: &[u8]) -> String {
    let letter = |five: &u8| CHARSET.get(usize::from(five & 31)).copied().map_or('q', char::from);
    fives.iter().map(letter).collect()
}

/// BIP 173.
fn bech32_step(sum: u32, five: u8) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = sum >> 25;
    let next = (sum & 0x01ff_ffff) << 5 ^ u32::from(five);
    GENERATOR.iter().enumerate().fold(next, |s, (n, g)| if top >> n & 1 == 1 { s ^ g } else { s })
}

/// Bech32 over groups of five bits.
pub(crate) fn bech32(prefix: &str, data: &[u8]) -> String {
    let high = prefix.bytes().map(|b| b >> 5);
    let low = prefix.bytes().map(|b| b & 31);
    let all = high.chain([0]).chain(low).chain(data.iter().copied()).chain([0; 6]);
    let sum = all.fold(1, bech32_step) ^ 1;
    let check: Vec<u8> = (0..6).map(|n| u8::try_from(sum >> (5 * (5 - n)) & 31).unwrap_or(0)).collect();
    format!("{prefix}1{}{}", letters(data), letters(&check))
}

/// A key hash of a chain with witness programs.
pub(crate) fn witness(prefix: &str, random: &Random, label: &str) -> String {
    let mut data = vec![0];
    data.extend(fives(&random.bytes::<20>(label)));
    bech32(prefix, &data)
}

/// Two keys of Litecoin's extension blocks.
pub(crate) fn mweb(random: &Random, label: &str) -> String {
    let mut keys = random.bytes::<66>(label);
    // Compressed points begin so.
    keys.iter_mut().step_by(33).for_each(|first| *first = 2 | *first & 1);
    let mut data = vec![0];
    data.extend(fives(&keys));
    bech32("ltcmweb", &data)
}

/// Bytes under a prefix, as MultiversX and Zcash's shielded addresses have them.
pub(crate) fn plain_bech32<const N: usize>(prefix: &str, random: &Random, label: &str) -> String {
    bech32(prefix, &fives(&random.bytes::<N>(label)))
}

/// A BOLT 11 invoice: everything but its signature is well-formed, that is random.
pub(crate) fn bolt11(amount: &str, random: &Random, label: &str) -> String {
    let part = |what: &str| fives(&random.bytes::<32>(&format!("{label}/{what}")));
    // A time of 35 bits (July 2026), then fields: letter, length in two groups, content.
    let mut data = vec![1, 21, 6, 9, 28, 2, 0];
    data.extend([1, 1, 20].into_iter().chain(part("hash")));
    data.extend([16, 1, 20].into_iter().chain(part("secret")));
    data.extend([13, 0, 0]);
    // Good for ten years: the sandbox has a clock of its own.
    data.extend([6, 0, 6, 9, 12, 24, 0, 24, 0]);
    data.extend(fives(&random.bytes::<64>(&format!("{label}/signature"))));
    // How the key is recovered from it.
    data.push(0);
    bech32(&format!("lnbc{amount}"), &data)
}

/// The checksum of `CashAddr`, which Kaspa has too: over the prefix, which therefore belongs to the address.
fn cash_step(sum: u64, five: u8) -> u64 {
    const GENERATOR: [u64; 5] =
        [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];
    let top = sum >> 35;
    let next = (sum & 0x07_ffff_ffff) << 5 ^ u64::from(five);
    GENERATOR.iter().enumerate().fold(next, |s, (n, g)| if top >> n & 1 == 1 { s ^ g } else { s })
}

/// Without its prefix.
pub(crate) fn cash<const N: usize>(prefix: &str, random: &Random, label: &str) -> String {
    // A version byte of 0: the hash of a key, or Kaspa's key.
    let mut payload = vec![0];
    payload.extend(random.bytes::<N>(label));
    let data = fives(&payload);
    let all = prefix.bytes().map(|b| b & 31).chain([0]).chain(data.iter().copied()).chain([0; 8]);
    let sum = all.fold(1, cash_step) ^ 1;
    let check: Vec<u8> = (0..8).map(|n| u8::try_from(sum >> (5 * (7 - n)) & 31).unwrap_or(0)).collect();
    format!("{}{}", letters(&data), letters(&check))
}

/// A key hash in Base58Check.
pub(crate) fn base58_check(version: u8, random: &Random, label: &str) -> String {
    let mut bytes = vec![version];
    bytes.extend(random.bytes::<20>(label));
    let sum = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend(sum.iter().take(4));
    bs58::encode(bytes).into_string()
}

/// A subaddress of Monero: two points of the curve.
pub(crate) fn monero(random: &Random, label: &str) -> String {
    let point = |what: &str| {
        let secret = random.bytes::<32>(&format!("{label}/{what}"));
        SigningKey::from_bytes(&secret).verifying_key().to_bytes()
    };
    let mut bytes = vec![42];
    bytes.extend(point("spend"));
    bytes.extend(point("view"));
    let sum = Keccak256::digest(&bytes);
    bytes.extend(sum.iter().take(4));
    // Base58 by blocks of 8 bytes, each filled up to 11 letters; the last 5 bytes are 7.
    let block = |block: &[u8]| {
        let width = if block.len() == 8 { 11 } else { 7 };
        let zeros = block.iter().take_while(|byte| **byte == 0).count();
        let text = bs58::encode(block.get(zeros..).unwrap_or_default()).into_string();
        format!("{text:1>width$}")
    };
    bytes.chunks(8).map(block).collect()
}

/// A wallet of the base chain of TON, in its user-friendly form that does not bounce.
pub(crate) fn ton(random: &Random, label: &str) -> String {
    let mut bytes = vec![0x51, 0];
    bytes.extend(random.bytes::<32>(label));
    let step = |sum: u16, byte: &u8| {
        (0..8)
            .fold(sum ^ u16::from(*byte) << 8, |s, _| if s & 0x8000 == 0 { s << 1 } else { s << 1 ^ 0x1021 })
    };
    let sum = bytes.iter().fold(0, step);
    bytes.extend(sum.to_be_bytes());
    URL_SAFE.encode(bytes)
}
