//! A hostile program in `FFmpeg`'s place tries, one by one, what it must not be able to do. In the sandbox it can
//! write in its folder and nothing else; outside it can do all of it; with one layer alone it can do too much.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use futures::{StreamExt as _, stream};
use media_worker::api::{FailureCode, Preset};
use tempfile::TempDir;

use crate::support::{SECRET, Worker, beside_worker, spec};

/// All that a job may do.
const ONLY: &str = "write_here";

/// What belongs to others: files, and listeners that nobody may reach.
struct Surroundings {
    folder: TempDir,
    program: PathBuf,
    tcp: TcpListener,
    udp: UdpSocket,
    unix: UnixListener,
    hidden: UnixListener,
}

impl Surroundings {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["neighbour", "open", "jobs", "jobs/neighbour"] {
            fs::create_dir(at(name)).unwrap();
        }
        for file in ["neighbour/secret", "jobs/neighbour/secret"] {
            fs::write(at(file), "canary").unwrap();
        }
        for file in ["victim", "long"] {
            fs::write(at("open").join(file), "precious").unwrap();
        }
        let unix = UnixListener::bind(at("open/listener")).unwrap();
        for path in [folder.path().to_owned(), at("open"), at("open/victim")] {
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        }
        let program = at("hostile");
        build(&program);
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let name = SocketAddr::from_abstract_name(format!("gatelog-hostile-{port}")).unwrap();
        let hidden = UnixListener::bind_addr(&name).unwrap();
        tcp.set_nonblocking(true).unwrap();
        unix.set_nonblocking(true).unwrap();
        hidden.set_nonblocking(true).unwrap();
        let udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        udp.set_nonblocking(true).unwrap();
        Self {
            folder,
            program,
            tcp,
            udp,
            unix,
            hidden,
        }
    }

    fn attempts(&self) -> Vec<String> {
        let listed = Command::new(&self.program).arg("--list").output().unwrap();
        let names: Vec<String> = text(&listed.stdout).lines().map(str::to_owned).collect();
        assert!(names.len() > 80, "{names:?}");
        names
    }

    /// An input that only this program understands, under the first bytes of an accepted container.
    fn input(&self, attempt: &str) -> Vec<u8> {
        let port = self.tcp.local_addr().unwrap().port();
        format!("OggS\n{attempt} {} {port}", self.folder.path().display()).into_bytes()
    }

    /// Makes the attempt in a job's folder, `through` the given command; whether it was possible.
    fn tries(&self, attempt: &str, through: &[&Path]) -> bool {
        for file in ["victim", "long"] {
            fs::write(self.folder.path().join("open").join(file), "precious").unwrap();
        }
        let job = self.folder.path().join("jobs").join(attempt);
        fs::create_dir_all(&job).unwrap();
        fs::write(job.join("input"), self.input(attempt)).unwrap();
        let (first, rest) = through.split_first().unwrap();
        let mut command = Command::new(first);
        command.args(rest).current_dir(&job);
        command.env("MEDIA_WORKER_SECRET", SECRET);
        let output = command.output().unwrap();
        fs::remove_dir_all(job).unwrap();
        is_possible(attempt, &output)
    }

    fn allowed(&self, through: &[&Path]) -> BTreeSet<String> {
        let names = self.attempts();
        names
            .into_iter()
            .filter(|name| self.tries(name, through))
            .collect()
    }

    fn assert_untouched(&self) {
        let blocked = |kind: io::ErrorKind| assert_eq!(kind, io::ErrorKind::WouldBlock);
        blocked(self.tcp.accept().unwrap_err().kind());
        blocked(self.udp.recv(&mut [0]).unwrap_err().kind());
        blocked(self.unix.accept().unwrap_err().kind());
        blocked(self.hidden.accept().unwrap_err().kind());
        let open = self.folder.path().join("open");
        for file in ["victim", "long"] {
            assert_eq!(fs::read(open.join(file)).unwrap(), b"precious");
        }
        assert_eq!(fs::read_dir(open).unwrap().count(), 3);
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 4);
    }
}

/// The linker that Rust needs is also a compiler of C.
fn build(program: &Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/hostile.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
    let output = compiler.arg(program).arg(source).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_possible(attempt: &str, output: &Output) -> bool {
    let said = text(&output.stderr);
    match output.status.code() {
        Some(0) => true,
        Some(1) => {
            assert!(said.contains(&format!("{attempt}: denied")), "{said}");
            false
        }
        // Killed for it.
        None => false,
        Some(other) => panic!("{attempt} was not made ({other}): {said}"),
    }
}

/// What the program could do as `ffprobe` of a real worker.
async fn allowed_in_worker(around: &Surroundings, args: &[&str]) -> BTreeSet<String> {
    let program = around.program.to_str().unwrap();
    let all = [
        &["--ffmpeg", program, "--ffprobe", program, "--slots", "8"],
        args,
    ]
    .concat();
    let worker = Worker::start_with(&all).await;
    let neighbour = worker.jobs_dir.join("neighbour");
    fs::create_dir(&neighbour).unwrap();
    fs::write(neighbour.join("secret"), "canary").unwrap();
    let tried = stream::iter(around.attempts()).map(|attempt| {
        let (worker, around) = (&worker, around);
        async move {
            let input = around.input(&attempt);
            let status = worker
                .complete(&spec(Preset::Metadata, &input), &input)
                .await;
            let failure = status.failure.unwrap();
            let is_denied = failure.detail.contains(&format!("{attempt}: denied"));
            let is_killed = failure.code == FailureCode::SandboxViolation;
            assert!(!failure.detail.contains("canary"));
            (!is_denied && !is_killed).then_some(attempt)
        }
    });
    let allowed = tried.buffer_unordered(8).filter_map(async |name| name);
    let allowed = allowed.collect().await;
    assert_eq!(worker.children(), Vec::<i32>::new());
    let (status, logged, _folder) = worker.terminate().await;
    assert!(status.success() && !logged.contains("panicked"), "{logged}");
    allowed
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_hostile_program_can_write_in_its_folder_and_do_nothing_else() {
    let around = Surroundings::make();
    // With a user for each slot, and without, where one job's files are in another's reach but for the sandbox.
    for args in [&[][..], &["--first-slot-uid", "0"]] {
        assert_eq!(
            allowed_in_worker(&around, args).await,
            set(&[ONLY]),
            "{args:?}"
        );
        around.assert_untouched();
    }
}

/// What is denied above is denied by the sandbox and not by the machine.
#[test]
fn outside_of_the_sandbox_it_can_do_all_of_it() {
    let around = Surroundings::make();
    let all: BTreeSet<String> = around.attempts().into_iter().collect();
    assert_eq!(around.allowed(&[&around.program]), all);
    assert!(around.tcp.accept().is_ok() && around.hidden.accept().is_ok());
}

#[test]
fn no_layer_alone_is_enough_and_the_mandatory_two_are() {
    let around = Surroundings::make();
    let one_layer = beside_worker("one_layer");
    let with = |layer: &str| around.allowed(&[&one_layer, Path::new(layer), &around.program]);
    let (files, calls, spaces) = (with("landlock"), with("seccomp"), with("namespaces"));
    for (layer, allowed, too_much) in [
        (
            "landlock",
            &files,
            &[
                "udp_send",
                "mptcp_connect",
                "fork_",
                "netlink",
                "ring",
                "bpf",
            ][..],
        ),
        (
            "seccomp",
            &calls,
            &[
                "read_passwd",
                "read_neighbour",
                "read_by_dots",
                "list_root",
                "write_outside",
            ],
        ),
        (
            "namespaces",
            &spaces,
            &[
                "read_passwd",
                "write_outside",
                "unix_path",
                "fork_",
                "run_shell",
                "trace",
            ],
        ),
    ] {
        assert!(allowed.is_superset(&set(too_much)), "{layer}: {allowed:?}");
    }
    let both: BTreeSet<String> = files.intersection(&calls).cloned().collect();
    assert_eq!(
        both,
        set(&[ONLY]),
        "Landlock: {files:?}\nseccomp: {calls:?}"
    );
}
