//! Foreign validators: each chain's address checked from its specification, by decoding, with nothing of the code that makes them. Each is held
//! against an address that others have published.

use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

const BASE58: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const NANO: &str = "13456789abcdefghijkmnopqrstuwxyz";

fn digits(text: &str, alphabet: &str) -> Option<Vec<u64>> {
    text.chars().map(|c| alphabet.find(c).and_then(|n| u64::try_from(n).ok())).collect()
}

/// Groups of five bits to bytes; what is left over has to be fewer than five zeros.
fn bytes_of(fives: &[u64]) -> Option<Vec<u8>> {
    let bits: String = fives.iter().map(|five| format!("{five:05b}")).collect();
    let whole = bits.len() / 8 * 8;
    if bits[whole..].len() > 4 || bits[whole..].contains('1') {
        return None;
    }
    (0..whole).step_by(8).map(|at| u8::from_str_radix(&bits[at..at + 8], 2).ok()).collect()
}

/// BIP 173 and 350, by division of polynomials over bits as their text has it. The groups without the checksum; `m`: of Bech32m.
fn bech32(text: &str, prefix: &str, m: bool) -> Option<Vec<u64>> {
    let data = digits(text.strip_prefix(prefix)?.strip_prefix('1')?, BECH32)?;
    let mut sum = 1_u64;
    let mut eat = |five: u64| {
        let top = sum >> 25;
        sum = ((sum & 0x1ff_ffff) << 5) ^ five;
        for (bit, generator) in
            [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3_u64].into_iter().enumerate()
        {
            if top & (1 << bit) != 0 {
                sum ^= generator;
            }
        }
    };
    prefix.bytes().for_each(|b| eat(u64::from(b >> 5)));
    eat(0);
    prefix.bytes().for_each(|b| eat(u64::from(b & 31)));
    data.iter().for_each(|five| eat(*five));
    let right = if m { 0x2bc8_30a3 } else { 1 };
    (sum == right && data.len() >= 6).then(|| data[..data.len() - 6].to_vec())
}

pub(crate) fn witness_v0(prefix: &str, text: &str) -> bool {
    bech32(text, prefix, false).is_some_and(|data| {
        data.first() == Some(&0)
            && bytes_of(&data[1..]).is_some_and(|program| [20, 32].contains(&program.len()))
    })
}

pub(crate) fn mweb(text: &str) -> bool {
    bech32(text, "ltcmweb", false).is_some_and(|data| {
        data.first() == Some(&0)
            && bytes_of(&data[1..]).is_some_and(|keys| {
                keys.len() == 66 && [keys[0], keys[33]].iter().all(|first| [2, 3].contains(first))
            })
    })
}

pub(crate) fn bech32_bytes(prefix: &str, length: usize, text: &str) -> bool {
    bech32(text, prefix, false).and_then(|data| bytes_of(&data)).is_some_and(|bytes| bytes.len() == length)
}

/// BOLT 11: checksum, tagged fields that fill it exactly, a payment hash and secret, a signature's room.
pub(crate) fn bolt11(text: &str) -> bool {
    let Some(one) = text.rfind('1') else { return false };
    let (prefix, amount) = (&text[..one], text[..one].strip_prefix("lnbc"));
    let Some(data) = bech32(text, prefix, false).filter(|data| data.len() > 111) else { return false };
    let mut fields = &data[7..data.len() - 104];
    let mut tags = Vec::new();
    while let [tag, high, low, rest @ ..] = fields {
        let length = usize::try_from(high * 32 + low).unwrap();
        let Some(content) = rest.get(..length) else { return false };
        tags.push((*tag, content.len()));
        fields = &rest[length..];
    }
    let wanted = [(1, 52), (16, 52)].iter().all(|field| tags.contains(field));
    let named = tags.iter().any(|(tag, _)| *tag == 13 || *tag == 23);
    amount.is_some_and(|a| a.is_empty() || a.ends_with('n')) && fields.is_empty() && wanted && named
}

/// `CashAddr`, whose checksum Kaspa uses too: with its prefix, the version byte and how many bytes follow.
pub(crate) fn cash(text: &str, prefix: &str, length: usize) -> bool {
    let Some(data) =
        text.strip_prefix(prefix).and_then(|t| t.strip_prefix(':')).and_then(|t| digits(t, BECH32))
    else {
        return false;
    };
    let mut sum = 1_u64;
    for five in prefix.bytes().map(|b| u64::from(b & 31)).chain([0]).chain(data.iter().copied()) {
        let top = sum >> 35;
        sum = ((sum & 0x07_ffff_ffff) << 5) ^ five;
        for (bit, generator) in
            [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470_u64]
                .iter()
                .enumerate()
        {
            if top & (1 << bit) != 0 {
                sum ^= generator;
            }
        }
    }
    let payload = data.len().checked_sub(8).and_then(|end| bytes_of(&data[..end]));
    sum == 1 && payload.is_some_and(|p| p.first() == Some(&0) && p.len() == length + 1)
}

fn number58(text: &str) -> Option<u128> {
    digits(text, BASE58)?.iter().try_fold(0_u128, |n, d| n.checked_mul(58)?.checked_add(u128::from(*d)))
}

pub(crate) fn base58_check(version: u8, text: &str) -> bool {
    let Ok(bytes) = bs58::decode(text).into_vec() else { return false };
    let Some((body, sum)) = bytes.split_last_chunk::<4>() else { return false };
    body.len() == 21 && body[0] == version && Sha256::digest(Sha256::digest(body))[..4] == *sum
}

/// Base58 by blocks and Keccak, as Monero and Zano have it: the bytes under the tag.
pub(crate) fn cryptonote(tag: &[u8], text: &str) -> bool {
    let sizes = [(2, 1), (3, 2), (5, 3), (6, 4), (7, 5), (9, 6), (10, 7), (11, 8)];
    let mut bytes = Vec::new();
    for block in text.as_bytes().chunks(11) {
        let Some((_, size)) = sizes.iter().find(|(letters, _)| *letters == block.len()) else { return false };
        let Some(number) = std::str::from_utf8(block).ok().and_then(number58) else { return false };
        if number >> (8 * size) != 0 {
            return false;
        }
        bytes.extend_from_slice(&number.to_be_bytes()[16 - size..]);
    }
    let Some((body, sum)) = bytes.split_last_chunk::<4>() else { return false };
    body.len() == tag.len() + 64 && body.starts_with(tag) && Keccak256::digest(body)[..4] == *sum
}

pub(crate) fn ton(text: &str) -> bool {
    use base64::Engine as _;
    let Ok(bytes) = base64::engine::general_purpose::URL_SAFE.decode(text) else { return false };
    // CRC-16/XMODEM, by long division: the remainder of all bytes is none.
    let mut rest = 0_u32;
    for byte in &bytes {
        for bit in (0..8).rev() {
            rest = rest << 1 | u32::from(byte >> bit & 1);
            if rest & 0x1_0000 != 0 {
                rest ^= 0x1_1021;
            }
        }
    }
    bytes.len() == 36 && [0x11, 0x51].contains(&bytes[0]) && bytes[1] == 0 && rest == 0
}

pub(crate) fn nano(prefix: &str, text: &str) -> bool {
    use blake2::digest::consts::U5;
    let Some(fives) =
        text.strip_prefix(prefix).and_then(|t| t.strip_prefix('_')).and_then(|t| digits(t, NANO))
    else {
        return false;
    };
    if fives.len() != 60 || fives[0] > 1 {
        return false;
    }
    let bits: String = fives.iter().map(|five| format!("{five:05b}")).collect();
    let read = |bits: &str| -> Vec<u8> {
        (0..bits.len()).step_by(8).map(|at| u8::from_str_radix(&bits[at..at + 8], 2).unwrap()).collect()
    };
    let (key, mut sum) = (read(&bits[4..260]), read(&bits[260..]));
    sum.reverse();
    blake2::Blake2b::<U5>::digest(&key)[..] == sum[..]
}

/// EIP-55.
pub(crate) fn evm(text: &str) -> bool {
    let Some(shown) = text.strip_prefix("0x").filter(|d| d.len() == 40) else { return false };
    let hash = Keccak256::digest(shown.to_ascii_lowercase().as_bytes());
    shown.chars().enumerate().all(|(at, digit)| {
        let high = hash[at / 2] >> (if at % 2 == 0 { 4 } else { 0 }) & 8 != 0;
        digit.is_ascii_digit()
            || ('a'..='f').contains(&digit) && !high
            || ('A'..='F').contains(&digit) && high
    })
}

/// By the name of a chain as the emulators have it.
pub(crate) fn of_network(network: &str, text: &str) -> bool {
    match network {
        "xno" => nano("nano", text),
        "ban" => nano("ban", text),
        "kas" => cash(text, "kaspa", 32),
        "ton" => ton(text),
        "near" => text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
        "egld" => bech32_bytes("erd", 32, text),
        "base" => evm(text),
        "btc" => witness_v0("bc", text),
        "ltc" => witness_v0("ltc", text),
        "sol" => bs58::decode(text).into_vec().is_ok_and(|key| key.len() == 32),
        _ => false,
    }
}

/// Published by others: specifications and projects.
#[test]
fn the_validators_take_what_others_have_published_and_nothing_near_it() {
    type Check = fn(&str) -> bool;
    let published: &[(&str, Check)] = &[
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", |t| witness_v0("bc", t)),
        ("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", |t| cash(t, "bitcoincash", 20)),
        ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", |t| base58_check(0, t)),
        (
            "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3H",
            |t| cryptonote(&[42], t),
        ),
        ("nano_3t6k35gi95xu6tergt6p69ck76ogmitsa8mnijtpxm9fkcm736xtoncuohr3", |t| nano("nano", t)),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", evm),
        ("EQDtFpEwcFAEcRe5mLVh2N6C0x-_hJEM7W61_JLnSF74p4q2", ton),
    ];
    for (address, check) in published {
        assert!(check(address), "{address}");
        // One letter is another one.
        for (from, to) in [("4", "5"), ("3", "4"), ("E", "F"), ("q", "p"), ("7", "8")] {
            let (head, tail) = address.split_at(address.len() / 2);
            if tail.contains(from) {
                let wrong = format!("{head}{}", tail.replacen(from, to, 1));
                assert!(!check(&wrong), "{wrong}");
            }
        }
    }
}

/// What a gateway is configured with, and addresses of the emulators that have no list of coins.
#[tokio::test]
async fn what_the_sandbox_hands_out_is_taken_by_wallets() {
    let sandbox = crate::Sandbox::start(crate::SandboxConfig::default()).await.unwrap();
    let setting = |provider: &str, key: &str| sandbox.setting(provider, key).unwrap();
    assert!(nano("nano", &setting("nanswap", "settle_address")));
    assert!(nano("nano", &setting("nano", "representative")));
    for key in ["destination_address", "refund_address"] {
        assert!(evm(&setting("daimo", key)), "{key}");
    }
    let random = crate::Random::new(7);
    for n in 0..50 {
        let label = format!("l{n}");
        let bch = crate::address::cash::<20>("bitcoincash", &random, &label);
        assert!(cash(&format!("bitcoincash:{bch}"), "bitcoincash", 20), "{bch}");
        let zano = crate::zano::standard_address(&random.bytes::<64>(&label));
        assert!(cryptonote(&[0xc5, 0x01], &zano), "{zano}");
    }
    sandbox.shutdown().await;
}
