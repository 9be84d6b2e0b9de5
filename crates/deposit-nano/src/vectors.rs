//! The published vectors of the dossier, section 11, and properties beyond them.

use deposit_core::AccountIndex;
use ed25519_dalek::hazmat::raw_verify;
use ed25519_dalek::{Signature, VerifyingKey};
use proptest::prelude::*;

use super::*;
use crate::key::{Key, Seed};
use crate::work::Work;

fn bytes(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// Seed, index, private key, address.
const SEEDS: [(&str, u32, &str, &str); 5] = [
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        0,
        "9F0E444C69F77A49BD0BE89DB92C38FE713E0963165CCA12FAF5712D7657120F",
        "nano_3i1aq1cchnmbn9x5rsbap8b15akfh7wj7pwskuzi7ahz8oq6cobd99d4r3b7",
    ),
    (
        "BBA067329F44D8011BD6E15F43366A81307FBD8A4801A6997B354AD302F4BC72",
        0,
        "19622D20FBC8AAA9E45CF016FAC7EF7D85908EE898A670B4D6A2C8AA272828D0",
        "nano_37wowrys6iprrui1zbgscp5u7sb87eh3c11t6mbhfp15usdqn3dn3sfp714g",
    ),
    (
        "A98A541406E5DF55EB3F57396255AB133A417C3252679CC9C1AEF51382089AF9",
        1,
        "AB308F564D2FC791B2601C64E52E102C3E779AC6AB4A2AF875855C6256EB3686",
        "nano_3eizh9rjaaphzj4wd7mbmuawfmdz17e7pao9nbstwg4ohfhfcoxq98o6xdw7",
    ),
    (
        "445466874730B5CC66692BE409069644F836E051962AAA420521F06580883034",
        7,
        "C0CB015BCA0834AC827B6259B48C052F7D62692DA1FA21DCDF755CFD27ACBE43",
        "nano_3iy8tenzc3mcc7jprs6gszcsdbrnusfnsjyp8my3f1jwtshn6mdowe5gpytj",
    ),
    (
        "E73D16E75D58D89B07B90B784D6308E5AF52DB34E2D43662E8C30F9745A4B36D",
        50,
        "937BC31DCFF4588820CD9C774D680FFA056FB50B02ADFBC2B4BA5C3F7C6DC8F0",
        "nano_3ebgfe344ccuisthh5x5u5fq5z3j6wi9i38kzp7yrqznyr48gahock1rsnbn",
    ),
];

/// Private key, public key, address.
const KEYS: [(&str, &str, &str); 3] = [
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "19D3D919475DEED4696B5D13018151D1AF88B2BD3BCFF048B45031C1F36D1858",
        "nano_18gmu6engqhgtjnppqam181o5nfhj4sdtgyhy36dan3jr9spt84rzwmktafc",
    ),
    (
        "781186FB9EF17DB6E3D1056550D9FAE5D5BBADA6A6BC370E4CBB938B1DC71DA3",
        "3068BB1CA04525BB0E416C485FE6A67FD52540227D267CC8B6E8DA958A7FA039",
        "nano_1e5aqegc1jb7qe964u4adzmcezyo6o146zb8hm6dft8tkp79za3sxwjym5rx",
    ),
    (
        "3BE4FC2EF3F3B7374E6FC4FB6E7BB153F8A2998B3B3DAB50853EABE128024143",
        "5B65B0E8173EE0802C2C3E6C9080D1A16B06DE1176C938A924F58670904E82C4",
        "nano_1pu7p5n3ghq1i1p4rhmek41f5add1uh34xpb94nkbxe8g4a6x1p69emk8y1d",
    ),
];

struct Signed {
    private: &'static str,
    account: &'static str,
    previous: &'static str,
    representative: &'static str,
    balance: u128,
    link: &'static str,
    hash: &'static str,
    signature: &'static str,
    work: &'static str,
    value: &'static str,
}

const BLOCKS: [Signed; 5] = [
    Signed {
        private: "0000000000000000000000000000000000000000000000000000000000000002",
        account: "nano_3qgmh14nwztqw4wmcdzy4xpqeejey68chx6nciczwn9abji7ihhum9qtpmdr",
        previous: "F47B23107E5F34B2CE06F562B5C435DF72A533251CB414C51B2B62A8F63A00E4",
        representative: "nano_1hza3f7wiiqa7ig3jczyxj5yo86yegcmqk3criaz838j91sxcckpfhbhhra1",
        balance: 1000000000000000000000,
        link: "19D3D919475DEED4696B5D13018151D1AF88B2BD3BCFF048B45031C1F36D1858",
        hash: "FF0144381CFF0B2C079A115E7ADA7E96F43FD219446E7524C48D1CC9900C4F17",
        signature: "3BFBA64A775550E6D49DF1EB8EEC2136DCD74F090E2ED658FBD9E80F17CB1C9F9F7BDE2B93D95558EC2F277FFF15FD11E6E2162A1714731B743D1E941FA4560A",
        work: "cab7404f0b5449d0",
        value: "ffffffd2b7ffab7b",
    },
    Signed {
        private: "2B70ABB4D458DC5EDA2C998BF5454717BAA6A122AC8694A02760397DB523CA66",
        account: "nano_39fkkrfkt1gnmjbtwu6yc6xwc8p1abswtmfeabuzict6pmrabcatzmh71rgc",
        previous: "0000000000000000000000000000000000000000000000000000000000000000",
        representative: "nano_3qfohkcii7dgaz3beijxc9y93x3kto5wioy5qdt5fdnq3p94psm185n7ktf6",
        balance: 881686,
        link: "9728D0A8B740CBABD885A20218CA0D1371A2AF5E8CF8B59CA7D7FA3C290B0CB0",
        hash: "30B313950FE441F009649DBBEF093DC7968A970E56DADC3E50B1E23A481C5AC6",
        signature: "59D94A7414CD685D188D5CC77B6DB4E331BBD37534DD2B69DE2198BD1E4ADB3DEBB3E5C1D38597CAA512D45A9E454DE79E995DB71BC646FAA11582A1BC5D9203",
        work: "b2ff948c874e7d62",
        value: "fffffffb301de30f",
    },
    Signed {
        private: "0D926E214C7A3C80F24EDE5A344155ED6DB685100E2CC3247F2C224C84704064",
        account: "nano_1wzmpjnh56cjr383abxrpsk16y5ujyp39jopaa1geyf98bn7kmxfmpy46ahn",
        previous: "2DD2B07F1BBB385B7E1097363D9FCFDAA56DFA74ECB7D59A9E468E7472165660",
        representative: "nano_1rxfoigz59dzzzo8nhfo954wanf8e39qn3zmmc1zdwac5g6z6qfuw3hx4h6q",
        balance: 0,
        link: "1A76F69DCC71EF34BECCB28112C748F410ABBFC068CAA7E8D7F73947871E58D2",
        hash: "0E1C50DB1EE1C0A8876AC22E6C472BE4C86E7316409016FE4FB0F0E100A79FEE",
        signature: "900E52B6BCE05CD74063847645C3C1F47CC3AA3980A235B0CEB957FB4B6615FAC7F62628E55504F62711CF2A163EE07BC56F0E3ED75157072557526F3BE0D107",
        work: "146232c92971e467",
        value: "ffffffcf8f56c369",
    },
    Signed {
        private: "E5A523DF83DC3A79F9DD29940500F605D51C4FA14EF56BE5CE8299082CD8A4BD",
        account: "nano_1sryfjr4q7pitn7cu5z6pyy1fzpk4di8fb7ihb3dwkqn1b5st7wsd7ey7c9s",
        previous: "242B05CEBCBFE2A564C356E1A62F78240D67B33880B543C743E18AF67E460B16",
        representative: "nano_3dxd4z89ihf3rgxcgib4caodrw7uykwhuumwnqgk7bra5tf63xnms8jofpbn",
        balance: 3829201371931432594706,
        link: "CAB538CB875837875AD779D729860430FCCB61378CD9CD19F565965A43296C57",
        hash: "FA5EA85833EB7D2618DE2898C15E9812A9F2395F83A49E6086AD701565506CE6",
        signature: "047AC2BD8D811E81F32F176083B9E9260D9AC50FA91E25E6EE1652344D17E8F934E8882A8829D7F77774576623D9C4CE1EBBB053ED7510A6E64EB45DA4677F0E",
        work: "66ea8c8c632b7849",
        value: "ffffffe8de951575",
    },
    Signed {
        private: "0EF3C1F537250C9E263CF979A111A4CDA0BE8818E811F260609AB7B7B771DBE8",
        account: "nano_3g8k8opyni78ri3y8rku7nzf7ecwoik6g7d51dke19pbp1ur37oe6pypfm8a",
        previous: "F78DD73000DEF0619967601B3FA7338CEA716B65B689931635748E2E7DB93515",
        representative: "nano_1zejt35qz7bip4rdo3hzr315t6hwawdsz367hqws1mder8ssko73feiqmq5f",
        balance: 65188764,
        link: "0000000000000000000000000000000000000000000000000000000000000000",
        hash: "0D619F761A79931CC2840E3EFAB0127BA5E7C678BAFF8DAB8B738594C777A25E",
        signature: "4843497701782612631B1E686FFEFBEF8FDD8248821289AACC8D24CA77C5E53DB62C82379BBD5773481E1DBB0F6A688E89137B56E1779DDD2A57C010367F6C0B",
        work: "c516cb4d8345730f",
        value: "ffffffcbceaa5e7d",
    },
];

#[test]
fn seeds_give_the_published_keys() {
    for (seed, index, private, address) in SEEDS {
        let seed = Seed::from_hex(seed).unwrap();
        assert_eq!(seed.address(AccountIndex(index)).to_string(), address);
        assert_eq!(Key::from_private(&bytes(private)).address().to_string(), address);
    }
}

#[test]
fn private_keys_give_the_published_public_keys() {
    for (private, public, address) in KEYS {
        let key = Key::from_private(&bytes(private));
        assert_eq!(hex::encode_upper(key.address().0), public);
        assert_eq!(key.address().to_string(), address);
    }
    // What a build with SHA-512 would give.
    let wrong = "3B6A27BCCEB6A42D62A3A8D02A6F0D73653215771DE243A63AC048A18B59DA29";
    assert_ne!(hex::encode_upper(Key::from_private(&[0; 32]).address().0), wrong);
}

#[test]
fn blocks_have_the_published_hash_signature_and_work() {
    for vector in BLOCKS {
        let block = StateBlock {
            account: vector.account.parse().unwrap(),
            previous: vector.previous.parse().unwrap(),
            representative: vector.representative.parse().unwrap(),
            balance: vector.balance,
            link: vector.link.parse().unwrap(),
        };
        assert_eq!(block.hash().to_string(), vector.hash);
        let key = Key::from_private(&bytes(vector.private));
        assert_eq!(key.address(), block.account);
        assert_eq!(hex::encode_upper(key.sign(&block.hash().0)), vector.signature);
        let work: Work = vector.work.parse().unwrap();
        assert_eq!(format!("{:016x}", work.value(&block.work_root())), vector.value);
    }
}

#[test]
fn a_hash_with_a_balance_beyond_64_bits() {
    let block = StateBlock {
        account: "nano_1qato4k7z3spc8gq1zyd8xeqfbzsoxwo36a45ozbrxcatut7up8ohyardu1z".parse().unwrap(),
        previous: "6CDDA48608C7843A0AC1122BDD46D9E20E21190986B19EAC23E7F33F2E6A6766".parse().unwrap(),
        representative: "nano_3pczxuorp48td8645bs3m6c3xotxd3idskrenmi65rbrga5zmkemzhwkaznh".parse().unwrap(),
        balance: 40_200_000_001_000_000_000_000_000_000_000_000,
        link: "87434F8041869A01C8F6F263B87972D7BA443A72E0A97D7A3FD0CCC2358FD6F9".parse().unwrap(),
    };
    let hash = "E2FB233EF4554077A7BF1AA85851D5BF0B36965D2B0FB504B2BC778AB89917D3";
    assert_eq!(block.hash().to_string(), hash);
    assert_eq!(hash.to_lowercase().parse::<Hash>().unwrap(), block.hash());
}

#[test]
fn what_is_no_seed_is_refused() {
    assert!(Seed::from_hex(&"0".repeat(64)).is_some());
    for bad in ["", "00", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
        assert!(Seed::from_hex(bad).is_none(), "{bad}");
    }
    let seed = Seed::from_hex(&"7".repeat(64)).unwrap();
    assert_eq!(format!("{seed:?}"), "Seed(…)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn signatures_verify_and_belong_to_one_hash(seed: [u8; 32], index: u32, hash: [u8; 32], other: [u8; 32]) {
        let key = Seed::from_hex(&hex::encode(seed)).unwrap().key(AccountIndex(index));
        let public = VerifyingKey::from_bytes(&key.address().0).unwrap();
        let signature = Signature::from_bytes(&key.sign(&hash));
        prop_assert!(raw_verify::<blake2::Blake2b512>(&public, &hash, &signature).is_ok());
        prop_assert_eq!(key.sign(&hash), signature.to_bytes());
        if other != hash {
            prop_assert!(raw_verify::<blake2::Blake2b512>(&public, &other, &signature).is_err());
        }
    }

    #[test]
    fn every_field_is_in_the_hash(account: [u8; 32], previous: [u8; 32], representative: [u8; 32], balance: u128, link: [u8; 32], bit in 0_u32..128) {
        let block = StateBlock {
            account: Address(account),
            previous: Hash(previous),
            representative: Address(representative),
            balance,
            link: Hash(link),
        };
        let flipped = |mut bytes: [u8; 32]| { bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8); bytes };
        for other in [
            StateBlock { account: Address(flipped(account)), ..block },
            StateBlock { previous: Hash(flipped(previous)), ..block },
            StateBlock { representative: Address(flipped(representative)), ..block },
            StateBlock { balance: balance ^ (1 << bit), ..block },
            StateBlock { link: Hash(flipped(link)), ..block },
        ] {
            prop_assert_ne!(other.hash(), block.hash());
        }
    }
}
