//! The log's segments, as objects of the blob store.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use eventlog::{SegmentError, SegmentStore};
use futures::TryStreamExt as _;

use super::blobs::{BlobError, Blobs};

#[async_trait]
impl SegmentStore for Blobs {
    async fn write(&self, object: &str, content: Vec<u8>) -> Result<(), SegmentError> {
        let limit = content.len() as u64;
        let body = futures::stream::iter([Ok::<_, BlobError>(Bytes::from(content))]);
        self.put(object, body, limit).await.map_err(failed)?;
        Ok(())
    }

    async fn read(&self, object: &str, range: Range<u64>) -> Result<Vec<u8>, SegmentError> {
        let parts = self.get(object, Some(range)).await.map_err(failed)?;
        let parts: Vec<Bytes> = parts.try_collect().await.map_err(failed)?;
        Ok(parts.concat())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn failed(error: BlobError) -> SegmentError {
    SegmentError(error.to_string())
}
