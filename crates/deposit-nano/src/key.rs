//! From the seed to keys and signatures: Ed25519 with BLAKE2b-512 in every place where others have SHA-512.

use std::fmt;

use blake2::digest::Digest;
use blake2::{Blake2b256, Blake2b512};
use deposit_core::AccountIndex;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use zeroize::Zeroizing;

use crate::address::Address;

/// 32 random bytes from which every key follows. Wiped when dropped, never printed.
#[derive(Clone)]
pub(crate) struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// From 64 hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, bytes.as_mut_slice()).ok()?;
        Some(Self(bytes))
    }

    /// `private[i] = blake2b(out=32, seed || i)`, `i` as 32 bits, high byte first.
    pub(crate) fn key(&self, index: AccountIndex) -> Key {
        let mut hash = Blake2b256::new();
        hash.update(self.0.as_slice());
        hash.update(index.0.to_be_bytes());
        let private: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
        Key::from_private(&private)
    }

    /// The address alone.
    pub(crate) fn address(&self, index: AccountIndex) -> Address {
        self.key(index).address()
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// A private key with the public key that belongs to it: no other can be given, since signing with a foreign one gives the
/// private key away.
pub(crate) struct Key {
    secret: ExpandedSecretKey,
    public: VerifyingKey,
}

impl Key {
    pub(crate) fn from_private(private: &[u8; 32]) -> Self {
        let wide: Zeroizing<[u8; 64]> = Zeroizing::new(Blake2b512::digest(private).into());
        let secret = ExpandedSecretKey::from_bytes(&wide);
        let public = VerifyingKey::from(&secret);
        Self { secret, public }
    }

    pub(crate) fn address(&self) -> Address {
        Address(self.public.to_bytes())
    }

    /// Signs a block's hash. The same hash gives the same signature.
    pub(crate) fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        raw_sign::<Blake2b512>(&self.secret, hash, &self.public).to_bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.address()).finish()
    }
}
