//! Nano's own arithmetic, written from the dossier and not from the adapter: addresses by big numbers, hashes, keys, work.

use blake2::digest::Digest;
use blake2::digest::consts::{U5, U8};
use blake2::{Blake2b, Blake2b256, Blake2b512};
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign, raw_verify};
use ed25519_dalek::{Signature, VerifyingKey};
use ruint::aliases::U320;

/// A public key or a block's hash.
pub(super) type Id = [u8; 32];
pub(super) const ZERO: Id = [0; 32];

const LETTERS: &str = "13456789abcdefghijkmnopqrstuwxyz";

fn letters(mut number: U320, count: usize) -> String {
    let mut text = Vec::new();
    for _ in 0..count {
        let low: usize = (number & U320::from(31)).to();
        text.extend(LETTERS.chars().nth(low));
        number >>= 5;
    }
    text.into_iter().rev().collect()
}

fn number(text: &str) -> Option<U320> {
    let mut number = U320::ZERO;
    for letter in text.chars() {
        number = (number << 5) | U320::from(LETTERS.chars().position(|l| l == letter)?);
    }
    Some(number)
}

fn checksum(key: &Id) -> U320 {
    let sum: [u8; 5] = Blake2b::<U5>::digest(key).into();
    sum.iter().rev().fold(U320::ZERO, |n, byte| (n << 8) | U320::from(*byte))
}

/// `nano_…`
pub(super) fn address(key: &Id) -> String {
    account("nano", key)
}

/// An address of the nano family.
pub(crate) fn account(prefix: &str, key: &Id) -> String {
    let number = key.iter().fold(U320::ZERO, |n, byte| (n << 8) | U320::from(*byte));
    format!("{prefix}_{}{}", letters(number, 52), letters(checksum(key), 8))
}

/// The key of an address, by either prefix.
pub(super) fn key_of(text: &str) -> Option<Id> {
    let rest = text.strip_prefix("nano_").or_else(|| text.strip_prefix("xrb_"))?;
    if rest.len() != 60 || !rest.is_ascii() {
        return None;
    }
    let (key, sum) = rest.split_at_checked(52)?;
    let wide = number(key)?;
    if wide >> 256 != U320::ZERO {
        return None;
    }
    let mut id = ZERO;
    for (n, byte) in id.iter_mut().rev().enumerate() {
        *byte = ((wide >> (8 * n)) & U320::from(255)).to();
    }
    (number(sum)? == checksum(&id)).then_some(id)
}

/// 64 hexadecimal digits in either case.
pub(super) fn id_of(text: &str) -> Option<Id> {
    let mut id = ZERO;
    hex::decode_to_slice(text, &mut id).ok().map(|()| id)
}

pub(super) fn upper(bytes: &[u8]) -> String {
    hex::encode_upper(bytes)
}

/// A private key and its public one.
pub(super) struct Signer {
    secret: ExpandedSecretKey,
    public: VerifyingKey,
}

impl Signer {
    pub(super) fn new(private: &Id) -> Self {
        let secret = ExpandedSecretKey::from_bytes(&Blake2b512::digest(private).into());
        let public = VerifyingKey::from(&secret);
        Self { secret, public }
    }

    pub(super) fn key(&self) -> Id {
        self.public.to_bytes()
    }

    pub(super) fn sign(&self, hash: &Id) -> [u8; 64] {
        raw_sign::<Blake2b512>(&self.secret, hash, &self.public).to_bytes()
    }
}

pub(super) fn verifies(key: &Id, hash: &Id, signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| raw_verify::<Blake2b512>(&key, hash, &Signature::from_bytes(signature)).is_ok())
}

/// Of a state block.
pub(super) fn block_hash(account: &Id, previous: &Id, representative: &Id, balance: u128, link: &Id) -> Id {
    let mut bytes = Vec::with_capacity(176);
    bytes.extend([0; 31]);
    bytes.push(6);
    for id in [account, previous, representative] {
        bytes.extend(id);
    }
    bytes.extend(balance.to_be_bytes());
    bytes.extend(link);
    Blake2b256::digest(bytes).into()
}

/// How good a nonce is for a root.
pub(super) fn work_value(nonce: u64, root: &Id) -> u64 {
    let mut bytes = nonce.to_le_bytes().to_vec();
    bytes.extend(root);
    u64::from_le_bytes(Blake2b::<U8>::digest(bytes).into())
}

/// The first nonce from 0 on that reaches the threshold.
pub(super) fn find_work(root: &Id, threshold: u64) -> u64 {
    (0..u64::MAX).find(|nonce| work_value(*nonce, root) >= threshold).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_vectors() {
        let private = id_of("781186FB9EF17DB6E3D1056550D9FAE5D5BBADA6A6BC370E4CBB938B1DC71DA3").unwrap();
        let key = Signer::new(&private).key();
        assert_eq!(upper(&key), "3068BB1CA04525BB0E416C485FE6A67FD52540227D267CC8B6E8DA958A7FA039");
        let text = "nano_1e5aqegc1jb7qe964u4adzmcezyo6o146zb8hm6dft8tkp79za3sxwjym5rx";
        assert_eq!((address(&key), key_of(text)), (text.to_owned(), Some(key)));

        let signer = Signer::new(&id_of(&format!("{}2", "0".repeat(63))).unwrap());
        let hash = block_hash(
            &signer.key(),
            &id_of("F47B23107E5F34B2CE06F562B5C435DF72A533251CB414C51B2B62A8F63A00E4").unwrap(),
            &key_of("nano_1hza3f7wiiqa7ig3jczyxj5yo86yegcmqk3criaz838j91sxcckpfhbhhra1").unwrap(),
            1_000_000_000_000_000_000_000,
            &id_of("19D3D919475DEED4696B5D13018151D1AF88B2BD3BCFF048B45031C1F36D1858").unwrap(),
        );
        assert_eq!(upper(&hash), "FF0144381CFF0B2C079A115E7ADA7E96F43FD219446E7524C48D1CC9900C4F17");
        let signature = upper(&signer.sign(&hash));
        assert!(
            signature.starts_with("3BFBA64A775550E6D49DF1EB8EEC2136")
                && signature.ends_with("743D1E941FA4560A")
        );

        let root = id_of("718CC2121C3E641059BC1C2CFC45666C99E8AE922F7A807B7D07B62C995D79E2").unwrap();
        assert_eq!(work_value(0x2b3d_689b_bcb2_1dca, &root), 0xffff_fff9_3c41_ec94);
    }

    #[test]
    fn what_is_no_address() {
        for bad in [
            "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtd1",
            "xrb_2mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1nz",
            "xrb_1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1n",
            "xrb_1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1n0",
            "zrb_1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1nz",
        ] {
            assert_eq!(key_of(bad), None, "{bad}");
        }
        assert!(key_of("xrb_1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1nz").is_some());
    }

    proptest! {
        #[test]
        fn keys_and_addresses_are_one_to_one(key: Id) {
            prop_assert_eq!(key_of(&address(&key)), Some(key));
        }
    }
}
