//! Stands in for `FFmpeg` in the tests. It takes `FFmpeg`'s arguments and ignores them; what it does is
//! said by the last line of its input. Everything it tries is something that the worker must survive.

#![expect(
    clippy::print_stdout,
    reason = "progress is reported on standard output, as FFmpeg does"
)]
#![expect(clippy::unwrap_used, reason = "a test program may die loudly")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Command, exit};

const OUTPUT: &str = "poster.webp";

fn main() {
    if std::env::args().any(|argument| argument == "-version") {
        println!("ffmpeg version misbehaving");
        return;
    }
    let input = fs::read("input").unwrap();
    let line = input.rsplit(|byte| *byte == b'\n').next().unwrap();
    match std::str::from_utf8(line).unwrap() {
        "stall" => {
            report("continue");
            loop {
                std::thread::park();
            }
        }
        "flood_diagnostics" => {
            for _ in 0..100_000 {
                eprintln!("\u{1b}[31mflood\0");
            }
            exit(1);
        }
        "flood_progress" => loop {
            println!("out_time_us=1");
        },
        "no_end" => fs::write(OUTPUT, picture()).unwrap(),
        "no_picture" => {
            fs::write(OUTPUT, "root:x:0:0").unwrap();
            report("end");
        }
        "good_file_bad_exit" => {
            fs::write(OUTPUT, picture()).unwrap();
            report("end");
            exit(1);
        }
        "large_file" => write_without_end(),
        "much_memory" => drop(vec![1_u8; 4 << 30]),
        "forbidden_call" => {
            let file = File::open("input").unwrap();
            nix::sched::setns(file, nix::sched::CloneFlags::empty()).unwrap();
        }
        "escape" => {
            for (attempt, result) in escapes() {
                eprintln!(
                    "{attempt}: {}",
                    if result.is_ok() { "ALLOWED" } else { "denied" }
                );
            }
            exit(1);
        }
        other => {
            eprintln!("unknown order {other:?}");
            exit(2);
        }
    }
}

fn report(progress: &str) {
    println!("frame=1\nout_time_us=1\nprogress={progress}");
    io::stdout().flush().unwrap();
}

/// A header that says 1280 x 720.
fn picture() -> &'static [u8] {
    b"RIFF\x16\0\0\0WEBPVP8 \x0A\0\0\0\x30\x01\0\x9D\x01\x2A\x00\x05\xD0\x02"
}

fn write_without_end() {
    let mut file = File::create(OUTPUT).unwrap();
    loop {
        file.write_all(&[0; 8192]).unwrap();
    }
}

/// One attempt for each thing that the sandbox forbids, and one that it must allow.
fn escapes() -> Vec<(&'static str, io::Result<()>)> {
    let parent = nix::unistd::getppid();
    let done = |result: nix::Result<()>| result.map_err(io::Error::from);
    let secret = std::env::var_os("MEDIA_WORKER_SECRET");
    let everyone = nix::sys::stat::Mode::all();
    vec![
        ("write in the job folder", fs::write("scratch", "x")),
        ("read /etc/passwd", fs::read("/etc/passwd").map(drop)),
        ("list /", fs::read_dir("/").map(drop)),
        ("list the folder of all jobs", fs::read_dir("..").map(drop)),
        (
            "inherit the secret",
            secret
                .map(drop)
                .ok_or_else(|| io::Error::other("it is not there")),
        ),
        (
            "read the worker's environment",
            fs::read(format!("/proc/{parent}/environ")).map(drop),
        ),
        ("write in /tmp", write_and_remove("/tmp/gatelog-escape")),
        ("write beside the job folder", write_and_remove("../escape")),
        ("make a folder", fs::create_dir("folder")),
        (
            "make a symbolic link",
            std::os::unix::fs::symlink("/etc/passwd", "link"),
        ),
        ("make a hard link", fs::hard_link("input", "hard")),
        (
            "make a named pipe",
            done(nix::unistd::mkfifo("pipe", everyone)),
        ),
        (
            "change a mode",
            fs::set_permissions("input", fs::metadata("input").unwrap().permissions()),
        ),
        (
            "start a shell",
            Command::new("/bin/sh")
                .arg("-c")
                .arg("true")
                .status()
                .map(drop),
        ),
        (
            "open a UDP socket",
            UdpSocket::bind("127.0.0.1:0").map(drop),
        ),
        ("open a TCP connection", dial("127.0.0.1:9")),
        ("open a Unix socket", UnixStream::pair().map(drop)),
        (
            "signal the worker",
            done(nix::sys::signal::kill(parent, None)),
        ),
        (
            "become root",
            done(nix::unistd::setuid(nix::unistd::Uid::from_raw(0))),
        ),
        (
            "enter a namespace",
            done(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)),
        ),
    ]
}

fn write_and_remove(path: &str) -> io::Result<()> {
    fs::write(path, "x").and_then(|()| fs::remove_file(path))
}

/// Nobody listens there, but to be told so is to have dialled.
fn dial(address: &str) -> io::Result<()> {
    match TcpStream::connect(address) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
        _ => Ok(()),
    }
}
