//! Turns a stream of bytes into a stream of events, one JSON object a line.

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};

use super::ClientError;
use crate::api::JobEvent;

/// The longest line that is read, in bytes; a log line of 8 KiB fits with all its escapes.
const MAX_LINE_BYTES: usize = 64 * 1024;

struct Decoder {
    source: BoxStream<'static, Result<Bytes, ClientError>>,
    buffer: BytesMut,
    failed: bool,
}

pub(super) fn decode<S>(source: S) -> impl Stream<Item = Result<JobEvent, ClientError>> + Send
where
    S: Stream<Item = Result<Bytes, ClientError>> + Send + 'static,
{
    let decoder = Decoder {
        source: source.boxed(),
        buffer: BytesMut::new(),
        failed: false,
    };
    stream::unfold(decoder, async |mut decoder| {
        if decoder.failed {
            return None;
        }
        let item = decoder.next().await.transpose()?;
        decoder.failed = item.is_err();
        Some((item, decoder))
    })
    .boxed()
}

impl Decoder {
    /// The next event; `None` at the end. An end in the middle of a line is `Unreachable`.
    async fn next(&mut self) -> Result<Option<JobEvent>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|_| ClientError::Protocol);
            }
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(ClientError::Protocol);
            }
            match self.source.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(ClientError::Unreachable),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EventBody;

    async fn read(pieces: Vec<&'static [u8]>) -> Vec<Result<u64, ClientError>> {
        let pieces = pieces
            .into_iter()
            .map(|piece| Ok(Bytes::from_static(piece)));
        decode(stream::iter(pieces.collect::<Vec<_>>()))
            .map(|event| event.map(|event| event.seq))
            .collect()
            .await
    }

    #[tokio::test]
    async fn lines_may_be_cut_anywhere() {
        let whole: &[u8] = b"{\"seq\":1,\"ev\":\"heartbeat\"}\n{\"seq\":2,\"ev\":\"heartbeat\"}\n";
        for at in 0..whole.len() {
            let (left, right) = whole.split_at(at);
            assert_eq!(read(vec![left, right]).await, [Ok(1), Ok(2)], "cut at {at}");
        }
    }

    #[tokio::test]
    async fn a_broken_line_ends_the_stream() {
        assert_eq!(
            read(vec![b"nonsense\n{}\n"]).await,
            [Err(ClientError::Protocol)]
        );
        assert_eq!(
            read(vec![b"{\"seq\":1,"]).await,
            [Err(ClientError::Unreachable)]
        );
        let endless = Vec::leak(vec![b'x'; MAX_LINE_BYTES + 1]);
        assert_eq!(read(vec![endless]).await, [Err(ClientError::Protocol)]);
    }

    #[tokio::test]
    async fn every_kind_of_event_is_read() {
        let line =
            br#"{"seq":4,"ev":"progress","pct":12.5,"out_time_us":1,"fps":null,"speed":null}"#;
        let source = stream::iter([Ok(Bytes::from_static(line)), Ok(Bytes::from_static(b"\n"))]);
        let event = decode(source).next().await.unwrap().unwrap();
        assert!(matches!(
            event.body,
            EventBody::Progress {
                pct: Some(_),
                fps: None,
                ..
            }
        ));
    }
}
