//! Whether wallet, daemon and asset are as payments need them. Reads only: the whitelist is not touched.

use deposit_core::{Asset, CheckItem, ErrorKind, Operation};

use crate::api::{Info, Status};
use crate::asset::Assets;
use crate::client::Client;

/// Blocks by which a wallet may be behind its daemon.
pub(crate) const MAX_LAG: u64 = 3;
const CHECK: Operation = Operation::Check;
/// `daemon_network_state` of a daemon that is online.
const ONLINE: u64 = 2;
/// Below which Zano's documents say not to credit.
const DOCUMENTED_DEPTH: u32 = 10;

pub(crate) async fn run(client: &Client, assets: &Assets, required: u32) -> Vec<CheckItem> {
    if let Err(error) = client.own_address(CHECK).await {
        return vec![if *error.kind() == ErrorKind::Authentication {
            CheckItem::wrong(
                "credentials",
                "the wallet refuses the token: put the text of its `--jwt-secret` into `providers.zano.jwt_secret`; if it is the same, its clock or this one is wrong by more than a minute",
            )
        } else {
            CheckItem::of_first(&error, "wallet_url", "jwt_secret")
        }];
    }
    let mut items = vec![CheckItem::right("credentials")];
    let wallet = client.wallet_info(CHECK).await;
    items.push(match &wallet {
        Ok(info) if info.is_watch_only == Some(true) => CheckItem::advice(
            "wallet",
            "a watch-only wallet counts an output whose one-time key was used before, which cannot be spent: watch for such payments, or run a spending wallet, which does not count them",
        )
        .seen("watch-only"),
        Ok(info) if info.is_watch_only == Some(false) => CheckItem::right("wallet").seen("spending"),
        Ok(_) => CheckItem::unknown("wallet", "the wallet does not tell whether it is watch-only"),
        Err(error) => CheckItem::of_later("wallet", error),
    });
    let height = wallet.ok().and_then(|info| info.current_height);
    items.extend(daemon(client, height).await);
    items.push(fusd(client, assets).await);
    items.push(if required < DOCUMENTED_DEPTH {
        CheckItem::advice(
            "confirmations",
            "payments are credited earlier than Zano's documents allow, while a reorganisation may still undo them: set `providers.zano.confirmations` to 10",
        )
        .seen(required.to_string())
    } else {
        CheckItem::right("confirmations").seen(required.to_string())
    });
    items
}

async fn daemon(client: &Client, wallet: Option<u64>) -> Vec<CheckItem> {
    let info = match client.info(CHECK).await {
        None => {
            return vec![CheckItem::advice(
                "daemon",
                "without `providers.zano.daemon_url` nobody notices a wallet that is behind, or that is read anew from the beginning: set it",
            )];
        }
        Some(Err(error)) => {
            let silent = matches!(error.kind(), ErrorKind::Transient { .. } | ErrorKind::OutcomeUnknown);
            let text = if silent {
                "no answer: is `providers.zano.daemon_url` right, and does the daemon run?"
            } else {
                "what answers at `providers.zano.daemon_url` is no Zano daemon: correct the address (port 11211, not the wallet's)"
            };
            return vec![CheckItem::wrong("daemon", text)];
        }
        Some(Ok(info)) => info,
    };
    let Info { height, daemon_network_state, status } = info;
    if status != Status::Ok || daemon_network_state != ONLINE {
        return vec![CheckItem::wrong(
            "daemon",
            "the daemon is not online with the network: payments are seen late; let it synchronise, and see that it has peers",
        )];
    }
    let mut items = vec![CheckItem::right("daemon").seen(format!("height {height}"))];
    // The daemon counts the blocks, the wallet names the top one.
    let behind = wallet.map(|wallet| height.saturating_sub(1).saturating_sub(wallet));
    items.push(match behind {
        Some(blocks) if blocks > MAX_LAG => CheckItem::wrong(
            "wallet height",
            format!("the wallet is {blocks} blocks behind the daemon: wait until it has caught up, and see that it uses this daemon"),
        ),
        Some(_) => CheckItem::right("wallet height"),
        None => CheckItem::unknown("wallet height", "the wallet does not tell its height"),
    });
    items
}

async fn fusd(client: &Client, assets: &Assets) -> CheckItem {
    const WHAT: &str = "asset FUSD";
    let scale = Asset::FUSD.scale();
    let id = assets.fusd.as_str();
    let decimals = match client.asset_info(CHECK, id).await {
        Some(Ok(answer)) => match (answer.status, answer.asset_descriptor) {
            (Status::Ok, Some(asset)) => Ok(asset.decimal_point),
            (Status::Busy, _) => Err(CheckItem::unknown(WHAT, "the daemon is busy: ask again later")),
            _ => Err(CheckItem::wrong(
                WHAT,
                "the chain has no asset of the id in `providers.zano.fusd_asset_id`: correct it, or leave it out for the one of Zano's own repository",
            )),
        },
        Some(Err(error)) => Err(CheckItem::of_later(WHAT, &error)),
        None => match client.balances(CHECK).await {
            Ok(all) => {
                let ours = all.balances.iter().find(|b| b.asset_info.asset_id.eq_ignore_ascii_case(id));
                ours.map(|balance| balance.asset_info.decimal_point).ok_or_else(|| {
                    CheckItem::unknown(
                        WHAT,
                        "the wallet has not met the asset yet, and there is no daemon to ask: it is looked at before the first deposit",
                    )
                })
            }
            Err(error) => Err(CheckItem::of_later(WHAT, &error)),
        },
    };
    match decimals {
        Ok(told) if told == scale => CheckItem::right(WHAT).seen(format!("{told} decimals")),
        Ok(told) => CheckItem::wrong(
            WHAT,
            format!("the asset in `providers.zano.fusd_asset_id` has not the {scale} decimals that FUSD has, so it is another asset and is refused: correct the id"),
        )
        .seen(format!("{told} decimals")),
        Err(item) => item,
    }
}
