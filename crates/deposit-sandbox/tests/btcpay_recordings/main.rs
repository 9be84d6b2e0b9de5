//! What a real BTCPay Server answered (`fixtures/btcpay/live/`), against the emulator's answer to the same request in the same situation: status,
//! every member, its type, and every word and figure that is not different by nature.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod allowed;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod scenes;

use std::collections::{BTreeMap, BTreeSet};

use compare::differences;
use serde_json::Value;

/// Name of a recording -> what the emulator answered: status and body, or a delivery's body.
pub type Answers = BTreeMap<String, (u16, Value)>;

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/btcpay/live")
}

pub fn recording(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn names() -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Status and body of a recording; a delivery has no status.
fn recorded(name: &str) -> (u16, Value) {
    let all = recording(name);
    match all.get("response") {
        Some(response) => {
            (u16::try_from(response["status"].as_u64().unwrap()).unwrap(), response["body"].clone())
        }
        None => (0, serde_json::from_str(all["body"].as_str().unwrap()).unwrap()),
    }
}

/// The lines of a refusal's log about one method, without their times.
fn lines_about(method: &str, body: &Value) -> Vec<String> {
    let message = body["message"].as_str().unwrap();
    let lines = message.lines().filter_map(|line| line.split_once(&format!(":Error {method}: ")));
    lines.map(|(_, what)| what.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_lists_have_the_recorded_form() {
    let answers = scenes::all().await;
    let dust = lines_about("LTC-CHAIN", &answers["create_400_dust"].1);
    assert_eq!(dust, lines_about("LTC-CHAIN", &recorded("create_400_dust").1));
    let named = |list: &Value, method: &str| {
        let mut all = list.as_array().unwrap().iter();
        all.find(|entry| entry["paymentMethodId"] == method).unwrap().clone()
    };
    let of = |name: &str, member: &str, method: &str| {
        let (real, ours) = (recorded(name).1, answers[name].1.clone());
        let list = |body: &Value| if member.is_empty() { body.clone() } else { body[member].clone() };
        let found = differences(&named(&list(&real), method), &named(&list(&ours), method));
        // Heights differ, members and types do not.
        let form: Vec<_> = found
            .iter()
            .filter(|(_, what)| what.contains("missing") || what.contains("not recorded"))
            .collect();
        assert!(form.is_empty(), "{name} {method}: {form:?}");
    };
    for method in ["LTC-CHAIN", "XMR-CHAIN"] {
        of("payment_methods_of_store", "", method);
        of("server_info", "syncStatus", method);
    }
    let form = |name: &str| {
        let (real, ours) = (recorded(name).1, answers[name].1.clone());
        let found = differences(&real[0], &ours[0]);
        let form: Vec<_> = found
            .iter()
            .filter(|(_, what)| what.contains("missing") || what.contains("not recorded"))
            .collect();
        assert!(form.is_empty(), "{name}: {form:?}");
    };
    form("rates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emulator_answers_as_the_real_server_did() {
    let answers = scenes::all().await;
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for name in names() {
        let Some((status, body)) = answers.get(&name) else {
            if !allowed::NOT_PLAYED.iter().any(|(not_played, _)| *not_played == name) {
                wrong.push(format!("{name}: no scene plays it, and no reason is given"));
            }
            continue;
        };
        let (recorded_status, recorded_body) = recorded(&name);
        let mut found = differences(&recorded_body, body);
        if recorded_status != *status {
            found.insert(0, ("status".to_owned(), format!("recorded {recorded_status}, answered {status}")));
        }
        for (place, what) in found {
            match allowed::reason(&name, &place) {
                Some(index) => {
                    used.insert(index);
                }
                None => wrong.push(format!("{name}: {place}: {what}")),
            }
        }
    }
    for (index, (of, place, _)) in allowed::DIFFERENCES.iter().enumerate() {
        if !used.contains(&index) {
            wrong.push(format!(
                "the allowed difference `{of}` `{place}` no longer occurs: take it off the list"
            ));
        }
    }
    for (name, _) in allowed::NOT_PLAYED {
        if answers.contains_key(*name) || !names().contains(*name) {
            wrong.push(format!("{name} is played, or there is no such recording: take it off the list"));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
