//! `cargo xtask fuzz`: a schema-driven fuzzer against a live gateway with emulated providers.
//!
//! The gateway's own OpenAPI document says what may be asked and answered; schemathesis asks all sorts of things and fails on any answer
//! that is not documented. How it is set up, and why: `xtask/fuzz/schemathesis.toml`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::run::{cargo, output, run, step, succeeds};
use crate::workspace;

/// Pinned, with all that they need.
const REQUIREMENTS: &str = include_str!("../fuzz/requirements.txt");
const SETTINGS: &str = include_str!("../fuzz/schemathesis.toml");
/// So many requests for each call and phase, unless the command line says otherwise.
pub(crate) const EXAMPLES: u32 = 100;
/// Requests for each call where all that is asked is how the limit of creates answers.
const LIMITED_EXAMPLES: u32 = 15;
/// Deposits that are made and paid before the fuzzer starts: ticker, amount, provider. The tickers are in the settings too.
const PAID: [(&str, &str, &str); 4] =
    [("btc", "0.0004", "btcpay"), ("usdc", "10", "daimo"), ("eur", "10", "stripe"), ("ltc", "0.5", "btcpay")];

/// Builds the gateway, checks its document, and fuzzes it: at full width, and then with a limit of creates that is soon reached.
pub(crate) fn all(examples: u32, seed: Option<u64>) -> Result<()> {
    let target = workspace::target_directory()?;
    let tools = tools(&target.join("fuzz-venv"))?;
    step("fuzz: build", || run(cargo(["build", "--package", "deposit-gateway", "--bin", "deposit"])))?;
    let binary = target.join("debug").join(format!("deposit{}", std::env::consts::EXE_SUFFIX));
    let folder = target.join("fuzz");

    step("fuzz: the document is OpenAPI 3.1", || {
        std::fs::create_dir_all(&folder)?;
        let document = folder.join("openapi.json");
        let mut print = Command::new(&binary);
        print.arg("openapi").current_dir(&folder);
        std::fs::write(&document, output(print)?)?;
        let mut validate = Command::new(tools.join("openapi-spec-validator"));
        validate.args(["--schema", "3.1"]).arg(&document);
        run(validate)
    })?;
    step("fuzz: every check", || {
        let gateway = Gateway::start(&binary, &folder.join("wide"), 1_000_000)?;
        let mut fuzz = gateway.fuzzer(&tools, examples, seed);
        fuzz.args(["--phases", "examples,coverage,fuzzing,stateful"]);
        judged(fuzz, &gateway.folder)
    })?;
    // 429 instead of nearly everything: the answers of the limit are held to the document too.
    step("fuzz: the limit of creates", || {
        let gateway = Gateway::start(&binary, &folder.join("limited"), 6)?;
        let mut fuzz = gateway.fuzzer(&tools, LIMITED_EXAMPLES, seed);
        fuzz.args(["--phases", "examples,coverage,fuzzing"]);
        fuzz.args(["--include-operation-id", "createDeposit"]);
        fuzz.args(["--include-operation-id", "createMultiChainDeposit"]);
        judged(fuzz, &gateway.folder)
    })
}

fn judged(fuzz: Command, folder: &Path) -> Result<()> {
    let done = run(fuzz).context("schemathesis found something (above), or could not run");
    println!("report: {}", folder.join("report").display());
    done
}

/// The folder of the tools' programs; they are installed where they are not there yet, or other versions are asked for.
fn tools(folder: &Path) -> Result<PathBuf> {
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let installed = folder.join("requirements.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(programs);
    }
    step("fuzz: tools", || {
        let python = ["python3", "python"].into_iter().find(|name| {
            let mut command = Command::new(name);
            command.args(["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"]);
            succeeds(command)
        });
        let Some(python) = python else {
            bail!(
                "no Python 3.11 or newer with venv: install it (Debian: apt-get install python3 python3-venv)"
            );
        };
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        let mut create = Command::new(python);
        create.args(["-m", "venv"]).arg(folder);
        run(create)?;
        let mut install = Command::new(programs.join("python"));
        install.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--requirement",
        ]);
        install.arg(workspace::root().join("xtask/fuzz/requirements.txt"));
        run(install)?;
        // Last: a broken installation is made again.
        Ok(std::fs::write(&installed, REQUIREMENTS)?)
    })?;
    Ok(programs)
}

/// A gateway with emulated providers, and what the fuzzer has to know of it. Stopped when dropped.
struct Gateway {
    child: Child,
    folder: PathBuf,
    address: String,
}

impl Gateway {
    /// Starts one on a fresh database, with two accounts, and some deposits that are paid.
    fn start(binary: &Path, folder: &Path, creates: u32) -> Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let deposit = |args: &[&str]| {
            let mut command = Command::new(binary);
            command.args(args).current_dir(folder);
            // Nothing of whoever runs this.
            for (name, _) in
                std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DEPOSIT"))
            {
                command.env_remove(name);
            }
            command.env("DEPOSIT__SERVER__LISTEN", "127.0.0.1:0");
            command.env("DEPOSIT__CREATE_RATE_LIMIT__REQUESTS", creates.to_string());
            command.env("DEPOSIT_LOG", "warn");
            command
        };
        let log = folder.join("gateway.log");
        let mut serve = deposit(&["serve", "--sandbox"]);
        serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(&log)?);
        let mut child = serve.spawn().context("the gateway cannot be started")?;
        let mut line = String::new();
        if let Some(pipe) = child.stdout.take() {
            BufReader::new(pipe).read_line(&mut line)?;
        }
        let Some(address) = line.trim().strip_prefix("listening on http://").map(str::to_owned) else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the gateway did not start: see {}", log.display());
        };
        let gateway = Self { child, folder: folder.to_owned(), address };

        let said = std::fs::read_to_string(&log)?;
        let control = said.lines().find_map(|line| line.strip_prefix("sandbox control http://"));
        let control = control.with_context(|| format!("no sandbox: see {}", log.display()))?;
        let keys = ["ana", "ben"].map(|name| output(deposit(&["keys", "create", "--account", name])));
        let [ana, ben] = keys;
        let (ana, ben) = (ana?.trim().to_owned(), ben?.trim().to_owned());
        // Either way of giving a key.
        let auth = json!({"auth": [
            {"name": "ana", "fixedHeaders": [{"name": "Authorization", "value": format!("Bearer {ana}")}]},
            {"name": "ben", "fixedHeaders": [{"name": "x-api-key", "value": ben}]},
        ]});
        std::fs::write(folder.join("auth.json"), auth.to_string())?;
        std::fs::write(folder.join("schemathesis.toml"), SETTINGS)?;
        std::fs::write(folder.join("paid.txt"), gateway.pay_some(control, &ana)?)?;
        Ok(gateway)
    }

    /// Makes deposits, pays them at their emulated providers and waits until they are credited; their ids as the settings want them.
    fn pay_some(&self, control: &str, key: &str) -> Result<String> {
        let (host, root) = control.split_once('/').context("the control's address")?;
        let mut ids = String::new();
        for (ticker, amount, provider) in PAID {
            let path = format!("/api/transaction/create/{ticker}");
            let created = call(&self.address, "POST", &path, key, &format!("{{\"amount\":{amount}}}"))?;
            let id = created
                .get("txId")
                .and_then(Value::as_str)
                .with_context(|| format!("{ticker}: {created}"))?;
            let order = json!({"ref": id, "stage": "confirmed"}).to_string();
            call(host, "POST", &format!("/{root}/{provider}/pay"), "", &order)?;
            let patience = Instant::now() + Duration::from_secs(30);
            loop {
                let path = format!("/api/transaction/status/{ticker}/{id}");
                let status = call(&self.address, "GET", &path, key, "")?;
                if status.get("status").and_then(Value::as_str) == Some("Completed") {
                    break;
                }
                if Instant::now() > patience {
                    bail!("{ticker} is not credited: {status}");
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            ids.push_str(&format!("\"{id}\"\n"));
        }
        Ok(ids)
    }

    fn fuzzer(&self, tools: &Path, examples: u32, seed: Option<u64>) -> Command {
        let mut fuzz = Command::new(tools.join("schemathesis"));
        // The settings name their files beside them.
        fuzz.current_dir(&self.folder);
        fuzz.args(["--config-file", "schemathesis.toml", "run"]);
        // From a file: schemathesis leaves the call out that it loads the document from.
        fuzz.arg("../openapi.json").args(["--url", &format!("http://{}", self.address)]);
        fuzz.args(["--checks", "all", "--max-examples", &examples.to_string()]);
        fuzz.args(["--report", "junit,ndjson", "--report-dir", "report"]);
        if let Some(seed) = seed {
            fuzz.args(["--seed", &seed.to_string()]);
        }
        fuzz
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request over plain HTTP on loopback, its answer's JSON. An HTTP client would be the only thing that this program needs it for.
fn call(host: &str, method: &str, path: &str, key: &str, body: &str) -> Result<Value> {
    let mut socket = TcpStream::connect(host).with_context(|| host.to_owned())?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nx-api-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{method} {path}: {answer}"))?;
    if !head.contains(" 200 ") {
        bail!("{method} {path}: {answer}");
    }
    serde_json::from_str(body).with_context(|| format!("{method} {path}: {answer}"))
}
