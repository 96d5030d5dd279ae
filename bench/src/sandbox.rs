//! What the sandbox costs a job: the launcher with `FFmpeg` in it, against bare `FFmpeg` with the same arguments, in turn.
//!
//! Of a transcode the CPU time counts, of a probe the wall clock: that is what each is waited for.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use media_worker::sandbox::{Limits, Plan};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::unistd::{geteuid, getpid};

use crate::report::{machine, median, publish, table};

const PROGRAMS: [&str; 2] = ["/usr/bin/ffmpeg", "/usr/bin/ffprobe"];
/// The worker's first slot, where it has the right to change its user.
const SLOT_USER: u32 = 64_001;
/// As for a film for the web.
const LIMITS: Limits = Limits {
    memory_bytes: 3 << 29,
    cpu_seconds: 180,
    file_bytes: 4 << 30,
    threads: 64,
};
const MILLIS: f64 = 1e3;

const CLIP: &str = "-nostdin -v error -y -f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine=frequency=440 -t 10 \
    -c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac -f mp4 input";
const TRANSCODE: &str = "-nostdin -v error -y -protocol_whitelist file -f mov -threads 2 -i input -map 0:v:0 -map 0:a:0 \
    -map_metadata -1 -vf scale=640:360,format=yuv420p -c:v libx264 -preset veryfast -threads 2 -crf 23 -c:a aac -b:a 128k \
    -movflags +faststart -f mp4 web.mp4";
const PROBE: &str =
    "-v error -protocol_whitelist file -f mov -show_format -show_streams -of json=c=1 input";

/// How a program is run.
#[derive(Debug, Clone, Copy)]
enum Way {
    Bare,
    Boxed,
}

/// The folder of a job, and how to run something in it.
struct Job {
    folder: tempfile::TempDir,
    launcher: PathBuf,
    user: Option<u32>,
}

impl Job {
    fn new() -> anyhow::Result<Self> {
        let launcher = std::env::current_exe()?.with_file_name("gatelog-media-launcher");
        if !launcher.exists() {
            bail!("build the launcher first: cargo build --release -p media-worker --bins");
        }
        let user = geteuid().is_root().then_some(SLOT_USER);
        let job = Self {
            folder: tempfile::tempdir()?,
            launcher,
            user,
        };
        let [ffmpeg, _] = PROGRAMS;
        job.run(Way::Bare, ffmpeg, CLIP)?;
        chown(job.folder.path(), user, user)?;
        chown(job.folder.path().join("input"), user, user)?;
        Ok(job)
    }

    fn command(&self, way: Way, program: &str) -> Command {
        match way {
            Way::Bare => Command::new(program),
            Way::Boxed => {
                let plan = Plan {
                    dir: self.folder.path().to_owned(),
                    limits: LIMITS,
                    parent: getpid().as_raw(),
                    uid: self.user,
                    degraded: false,
                    yielding: true,
                    executables: PROGRAMS.map(PathBuf::from).into(),
                };
                let mut command = Command::new(&self.launcher);
                command.args(plan.to_args()).args(["--", program]);
                command
            }
        }
    }

    fn run(&self, way: Way, program: &str, arguments: &str) -> anyhow::Result<()> {
        let output = self
            .command(way, program)
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{way:?} {program} ended with {}: {said}", output.status);
        }
        Ok(())
    }

    /// Milliseconds of CPU time.
    fn transcode(&self, way: Way) -> anyhow::Result<f64> {
        let before = cpu_millis()?;
        let [ffmpeg, _] = PROGRAMS;
        self.run(way, ffmpeg, TRANSCODE)?;
        let spent = cpu_millis()? - before;
        remove(&self.folder.path().join("web.mp4"))?;
        Ok(spent)
    }

    /// Milliseconds by the clock.
    fn probe(&self, way: Way) -> anyhow::Result<f64> {
        let started = Instant::now();
        let [_, ffprobe] = PROGRAMS;
        self.run(way, ffprobe, PROBE)?;
        Ok(started.elapsed().as_secs_f64() * MILLIS)
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(path).context("the transcode left nothing behind")
}

/// Of all children that have ended.
fn cpu_millis() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let spent = usage.user_time() + usage.system_time();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run would have to last for centuries"
    )]
    let micros = spent.num_microseconds() as f64;
    Ok(micros / MILLIS)
}

pub fn run(rounds: usize, probes: usize) -> anyhow::Result<()> {
    let job = Job::new()?;
    let (bare_cpu, boxed_cpu) = alternate(rounds, |way| job.transcode(way))?;
    let (bare_wall, boxed_wall) = alternate(probes, |way| job.probe(way))?;
    let rows = [
        row("transcode of 10 s at 360p, CPU time", bare_cpu, boxed_cpu),
        row(
            "ffprobe of the same clip, wall clock",
            bare_wall,
            boxed_wall,
        ),
    ];
    let user = job.user.map_or("without", |_| "with");
    let text = format!(
        "# What the sandbox costs a job\n\n{}\nMedians of {rounds} transcodes and {probes} probes of each kind, in turn; the \
         sandbox {user} a user of its own.\nBaseline: bare FFmpeg with the same arguments. Wanted: at most 3 % of CPU time on the \
         transcode, at most 5 ms on the probe.\n\n{}",
        machine(),
        table(
            &[
                "what",
                "bare (ms)",
                "sandboxed (ms)",
                "more (ms)",
                "more (%)"
            ],
            &rows
        )
    );
    publish("sandbox", &text)
}

/// The medians of both ways. Which goes first changes with every round, so that neither has the warmer cache.
fn alternate(
    rounds: usize,
    mut measure: impl FnMut(Way) -> anyhow::Result<f64>,
) -> anyhow::Result<(f64, f64)> {
    // Once each for the caches; not counted.
    measure(Way::Bare)?;
    measure(Way::Boxed)?;
    let (mut bare, mut boxed) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let mut order = [Way::Bare, Way::Boxed];
        if round % 2 == 1 {
            order.reverse();
        }
        for way in order {
            let figure = measure(way)?;
            match way {
                Way::Bare => bare.push(figure),
                Way::Boxed => boxed.push(figure),
            }
        }
    }
    Ok((median(&mut bare), median(&mut boxed)))
}

fn row(what: &str, bare: f64, boxed: f64) -> Vec<String> {
    let more = boxed - bare;
    vec![
        what.to_owned(),
        format!("{bare:.1}"),
        format!("{boxed:.1}"),
        format!("{more:+.1}"),
        format!("{:+.1}", more / bare * 100.0),
    ]
}
