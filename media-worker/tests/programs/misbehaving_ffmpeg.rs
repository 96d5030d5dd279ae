//! Stands in for `FFmpeg` in the tests. It takes `FFmpeg`'s arguments and ignores them; what it does is
//! said by the last line of its input. Everything it tries is something that the worker must survive.

#![expect(
    clippy::print_stdout,
    reason = "progress is reported on standard output, as FFmpeg does"
)]
#![expect(clippy::unwrap_used, reason = "a test program may die loudly")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::process::exit;

const OUTPUT: &str = "poster.webp";

fn main() {
    let questions = ["-version", "-encoders", "-muxers"];
    if std::env::args().any(|argument| questions.contains(&argument.as_str())) {
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
