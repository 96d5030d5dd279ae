//! How long the first film and the first sound of an input are, as far as its container knows. A whole input has no less,
//! so what is made of it has no less either.

use super::{Container, Probe};

/// Seconds of the longer of the first film and the first sound; `None` where the probe can only have guessed, or where
/// it knows the length of the file alone and that may be another stream's.
pub fn film_seconds(container: Container, probe: &Probe) -> Option<f64> {
    let film = probe
        .metadata
        .video
        .first()
        .and_then(|stream| stream.duration_seconds);
    let own = film.into_iter().chain(probe.sound_seconds);
    known(container, own.reduce(f64::max), probe)
}

/// Seconds of the first sound.
pub fn sound_seconds(container: Container, probe: &Probe) -> Option<f64> {
    let has_film = !probe.metadata.video.is_empty();
    match container {
        // Its header counts bytes of sound, and often by a rate that is not the real one.
        Container::Avi => None,
        // The length of the file may be the film's.
        Container::Matroska | Container::Flv if has_film => None,
        _ => known(container, probe.sound_seconds, probe),
    }
}

/// `own` is what the probe says of the streams themselves.
fn known(container: Container, own: Option<f64>, probe: &Probe) -> Option<f64> {
    let file = probe.metadata.duration_seconds;
    match container {
        // A guess from the rate of the first frames, which need not be that of the others.
        Container::Mp3 => None,
        // The header has the length of the file. If streams have one, it is a guess, and the file's too.
        Container::Flv => file.filter(|_| own.is_none()),
        Container::Matroska => file.filter(|_| own.is_none() && probe.others == 0),
        Container::Mov
        | Container::Wav
        | Container::Avi
        | Container::Ogg
        | Container::Flac
        | Container::MpegTs
        | Container::MpegPs
        | Container::Gif
        | Container::Png
        | Container::Jpeg
        | Container::WebP => own.or(file.filter(|_| probe.others == 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::VideoStream;

    /// A file of 10 s with a film of 8 s and a sound of 9 s, if streams have lengths.
    fn probe(have_lengths: bool, others: usize) -> Probe {
        let of = |seconds| have_lengths.then_some(seconds);
        let mut probe = Probe {
            sound_seconds: of(9.0),
            others,
            ..Probe::default()
        };
        probe.metadata.duration_seconds = Some(10.0);
        probe.metadata.video = vec![VideoStream {
            duration_seconds: of(8.0),
            ..VideoStream::default()
        }];
        probe
    }

    #[test]
    fn only_what_a_container_knows_counts() {
        use Container::{Avi, Flv, Matroska, Mov, Mp3};
        for (container, have_lengths, others, film, sound) in [
            (Mov, true, 0, Some(9.0), Some(9.0)),
            (Mov, true, 2, Some(9.0), Some(9.0)),
            (Mov, false, 0, Some(10.0), Some(10.0)),
            (Mov, false, 1, None, None),
            (Avi, true, 0, Some(9.0), None),
            (Matroska, false, 0, Some(10.0), None),
            (Matroska, false, 1, None, None),
            (Matroska, true, 0, None, None),
            (Flv, false, 1, Some(10.0), None),
            (Flv, true, 0, None, None),
            (Mp3, true, 0, None, None),
        ] {
            let probe = probe(have_lengths, others);
            let seen = (
                film_seconds(container, &probe),
                sound_seconds(container, &probe),
            );
            assert_eq!(seen, (film, sound), "{container:?} {have_lengths} {others}");
        }
    }
}
