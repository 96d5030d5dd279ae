//! Importing exported lines, in constant memory and in one transaction.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context as _;
use eventlog::{Database, Expected, ImportError, Imported, RecordedEvent, Upcasters};
use tokio::sync::mpsc;

/// Events, and bytes of their lines, of one step.
const STEP_EVENTS: usize = 500;
const STEP_BYTES: usize = 4 * 1024 * 1024;
/// Steps that are read ahead.
const AHEAD: usize = 2;
/// The longest exported line that is read: a payload of a MiB, and what surrounds it.
pub const LINE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Imports the lines of a file, or of standard input for `-`, into an empty log.
///
/// # Errors
/// The file cannot be opened, or see [`ImportError`]; then nothing was written.
pub async fn import(
    database: &Database,
    from: &Path,
    expected: Expected,
) -> anyhow::Result<Imported> {
    let input: Box<dyn Read + Send> = if from == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(from);
        Box::new(file.with_context(|| from.display().to_string())?)
    };
    let (steps, chunks) = mpsc::channel(AHEAD);
    let reader = tokio::task::spawn_blocking(move || read(BufReader::new(input), &steps));
    let upcasters = Upcasters::new(aggregates::upcasters());
    let imported = database.import(projections::inline(), &upcasters, chunks, expected);
    let imported = imported.await?;
    reader.await?;
    Ok(imported)
}

/// Ends early when nobody takes what it reads.
fn read(mut input: impl BufRead, steps: &mpsc::Sender<Result<Vec<RecordedEvent>, ImportError>>) {
    let (mut number, mut is_over) = (0, false);
    while !is_over {
        let step = next(&mut input, &mut number);
        is_over = step.as_ref().map_or(true, Vec::is_empty);
        if steps.blocking_send(step).is_err() {
            return;
        }
    }
}

/// The next events; none at the end.
fn next(input: &mut impl BufRead, number: &mut u64) -> Result<Vec<RecordedEvent>, ImportError> {
    let (mut events, mut bytes, mut line) = (Vec::new(), 0, String::new());
    while events.len() < STEP_EVENTS && bytes < STEP_BYTES {
        line.clear();
        let read = input.take(LINE_BYTES_MAX as u64).read_line(&mut line);
        if read.map_err(ImportError::Unreadable)? == 0 {
            break;
        }
        *number += 1;
        let text = line.strip_suffix('\n').unwrap_or(&line);
        let event =
            RecordedEvent::from_line(text).map_err(|error| ImportError::Line(*number, error))?;
        bytes += line.len();
        events.push(event);
    }
    Ok(events)
}
