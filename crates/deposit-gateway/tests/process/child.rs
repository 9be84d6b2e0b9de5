//! A gateway that is a process of its own, so that it can be killed.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use deposit_engine::{Clock, SystemClock, keys};
use deposit_sandbox::{Sandbox, SandboxConfig};
use deposit_store::SqliteStore;

use super::courier::Courier;
use super::scenario::{ACCOUNTS, Shop, Site};

/// How long a gateway may take from its start to its readiness: the contract says 5 s; a loaded test machine gets some more.
const CHILD_PATIENCE: Duration = Duration::from_secs(20);
/// How far in the future a restarted gateway wakes up: after every lease of the one that died (a create's, a delivery's, a poll's), as
/// it would in a few minutes anyway.
const AHEAD_SECS: u32 = 200;
const LOOK: Duration = Duration::from_millis(10);

/// The program as it is now. A build with other features that ends while a test runs replaces the file at its usual path, and with it
/// the crash points would be gone.
pub struct Program(tempfile::TempDir);

impl Program {
    pub fn keep() -> Self {
        // Beside the original, so that a link is enough.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::hard_link(env!("CARGO_BIN_EXE_deposit"), folder.path().join("deposit")).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("deposit")
    }
}

/// A gateway that dies where it is told to and is started again each time.
pub struct Mortal {
    program: PathBuf,
    pub sandbox: Sandbox,
    pub courier: Courier,
    directory: tempfile::TempDir,
    child: Option<Running>,
    /// The crash points of the coming starts; after them it lives.
    plan: VecDeque<String>,
    /// For a gateway that is killed from outside: how long each start may live.
    lives: VecDeque<Duration>,
    /// How far in the future the next one wakes up.
    pub sleeps: u32,
    /// By how much the coming gateway's clock is ahead of the machine's …
    ahead: u32,
    /// … and the emulators' is already.
    passed: u32,
    /// How each one died.
    pub deaths: Vec<ExitStatus>,
}

struct Running {
    process: Child,
    url: String,
    kill_at: Option<Instant>,
}

impl Mortal {
    /// Starts the emulators and a gateway that dies at each point of `plan` in turn, or after each time of `lives`.
    pub async fn shop(program: &Program, plan: &[&str], lives: &[Duration]) -> Shop<Self> {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let courier = Courier::start().await;
        sandbox.set_gateways(vec![courier.url().to_owned()]);
        let directory = tempfile::tempdir().unwrap();
        let mut mortal = Self {
            program: program.path(),
            sandbox,
            courier,
            directory,
            child: None,
            plan: plan.iter().map(|point| (*point).to_owned()).collect(),
            lives: lives.iter().copied().collect(),
            sleeps: AHEAD_SECS,
            ahead: 0,
            passed: 0,
            deaths: Vec::new(),
        };
        let config = format!(
            "{}\n[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = {:?}\n[poll]\nyoung_seconds = 1\n\
             [create_rate_limit]\nrequests = 100000\n",
            mortal.sandbox.config_toml(),
            mortal.store_url()
        );
        std::fs::write(mortal.path("deposit.toml"), config).unwrap();
        let keys = mortal.issue_keys().await;
        mortal.revive().await;
        let control = mortal.sandbox.control_url();
        Shop::new(mortal, control, keys)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn store_url(&self) -> String {
        format!("sqlite://{}", self.path("deposit.db").display())
    }

    async fn issue_keys(&self) -> [String; 2] {
        let store = self.store().await;
        let mut issued = Vec::new();
        for name in ACCOUNTS {
            let key = keys::issue(&store, &name.parse().unwrap(), SystemClock.now()).await.unwrap();
            issued.push(key.key.expose().to_owned());
        }
        store.close().await;
        issued.try_into().unwrap()
    }

    /// The gateway's own file, beside the gateway.
    pub async fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.store_url()).await.unwrap()
    }

    /// Whether there is a death to come.
    pub fn is_doomed(&self) -> bool {
        !self.plan.is_empty()
            || !self.lives.is_empty()
            || self.child.as_ref().is_some_and(|c| c.kill_at.is_some())
    }

    /// Starts gateways until one is ready.
    async fn revive(&mut self) {
        loop {
            let mut command = Command::new(&self.program);
            command.arg("serve").arg("--config").arg(self.path("deposit.toml"));
            command.current_dir(self.directory.path()).env_remove("DEPOSIT_CRASH_AT");
            command.env("DEPOSIT_CLOCK_AHEAD", self.ahead.to_string()).env("NO_COLOR", "1");
            if let Some(point) = self.plan.pop_front() {
                command.env("DEPOSIT_CRASH_AT", point);
            }
            let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
            let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
            let (tell, told) = mpsc::channel();
            let output = process.stdout.take().unwrap();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
            let begun = Instant::now();
            let url = loop {
                if let Ok(line) = told.try_recv() {
                    break Some(line.strip_prefix("listening on ").unwrap().to_owned());
                }
                if let Some(death) = process.try_wait().unwrap() {
                    self.died(death);
                    break None;
                }
                assert!(begun.elapsed() < CHILD_PATIENCE, "the gateway is not ready\n{}", self.log());
                tokio::time::sleep(LOOK).await;
            };
            if let Some(url) = url {
                self.courier.set_target(&url);
                // Now, so that the deliveries that found nobody are tried again at once.
                let missed = self.ahead - std::mem::replace(&mut self.passed, self.ahead);
                self.sandbox.advance(missed);
                let kill_at = self.lives.pop_front().map(|life| Instant::now() + life);
                self.child = Some(Running { process, url, kill_at });
                return;
            }
        }
    }

    fn died(&mut self, death: ExitStatus) {
        assert!(death.signal().is_some(), "the gateway ended by itself: {death}\n{}", self.log());
        self.deaths.push(death);
        self.ahead += self.sleeps;
    }

    /// Kills it if its time has come, and starts another one if it is dead.
    async fn look(&mut self) {
        let Some(child) = &mut self.child else { return };
        if child.kill_at.is_some_and(|at| Instant::now() >= at) {
            // SIGKILL.
            child.process.kill().unwrap();
            child.process.wait().unwrap();
        }
        if let Some(death) = child.process.try_wait().unwrap() {
            self.child = None;
            self.died(death);
            self.revive().await;
        }
    }

    /// What the gateways logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Asks the gateway to stop, as an operator does; it has to end by itself, and well.
    pub async fn stop(mut self) {
        let Some(mut child) = self.child.take() else { return };
        let asked = Command::new("kill").arg("-TERM").arg(child.process.id().to_string()).status().unwrap();
        assert!(asked.success());
        let begun = Instant::now();
        loop {
            if let Some(end) = child.process.try_wait().unwrap() {
                assert!(end.success(), "{end}\n{}", self.log());
                break;
            }
            assert!(begun.elapsed() < CHILD_PATIENCE, "the gateway does not stop\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Site for Mortal {
    fn url(&self) -> String {
        self.child.as_ref().map(|child| child.url.clone()).unwrap_or_default()
    }

    async fn mend(&mut self) {
        self.pause().await;
    }

    async fn pause(&mut self) {
        tokio::time::sleep(LOOK).await;
        self.look().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A failed test leaves no process behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
