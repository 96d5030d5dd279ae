//! A bucket of a server that speaks S3, and what the store's client lacks: the uploads that were left open.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, AwsCredential};
use object_store::client::{HttpClient, HttpRequestBody};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::{BackoffConfig, RetryConfig};
use serde::Deserialize;

use super::BlobError;
use super::http::Http;
use crate::config::S3Config;

/// A page of a list of open uploads is far smaller.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The bucket.
pub(super) struct S3 {
    pub(super) store: AmazonS3,
    pub(super) prefix: String,
    client: HttpClient,
    credential: AwsCredential,
    region: String,
    bucket_url: String,
}

/// An upload in parts that was begun and neither completed nor given up.
#[derive(Debug)]
struct OpenUpload {
    key: String,
    id: String,
    since: DateTime<Utc>,
}

/// The answer to `GET ?uploads`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    is_truncated: bool,
    next_key_marker: String,
    next_upload_id_marker: String,
    upload: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    key: String,
    upload_id: String,
    initiated: DateTime<Utc>,
}

impl S3 {
    pub(super) fn open(config: &S3Config) -> Result<Self, BlobError> {
        let http = Http::new(config.authorities.as_deref())?;
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 3,
            retry_timeout: Duration::from_secs(15),
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_access_key_id(config.access_key_id.expose())
            .with_secret_access_key(config.secret_access_key.expose())
            .with_http_connector(http.clone())
            .with_retry(retry);
        let endpoint = match &config.endpoint {
            Some(url) => {
                let text = url.as_str().trim_end_matches('/').to_owned();
                builder = builder
                    .with_endpoint(&text)
                    .with_allow_http(url.scheme() == "http");
                text
            }
            None => format!("https://s3.{}.amazonaws.com", config.region),
        };
        Ok(Self {
            store: builder.build()?,
            prefix: config.prefix.clone(),
            client: http.client(),
            credential: AwsCredential {
                key_id: config.access_key_id.expose().to_owned(),
                secret_key: config.secret_access_key.expose().to_owned(),
                token: None,
            },
            region: config.region.clone(),
            bucket_url: format!("{endpoint}/{}", config.bucket),
        })
    }

    /// Whether the bucket answers.
    pub(super) async fn check(&self) -> Result<(), BlobError> {
        let options = PaginatedListOptions {
            max_keys: Some(1),
            ..PaginatedListOptions::default()
        };
        let prefix = Some("readiness-probe");
        match self.store.list_paginated(prefix, options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(BlobError::store(&error)),
        }
    }

    /// Gives up the uploads into `folder` that were begun before `before`, at most `most`: how many.
    pub(super) async fn abort_open(
        &self,
        folder: &str,
        before: DateTime<Utc>,
        most: usize,
    ) -> Result<usize, BlobError> {
        let mut after = (String::new(), String::new());
        let mut aborted = 0;
        loop {
            let page = self.open_uploads(folder, &after).await?;
            let listed = page.upload.into_iter().map(|listed| OpenUpload {
                key: listed.key,
                id: listed.upload_id,
                since: listed.initiated,
            });
            for upload in listed.filter(|upload| upload.since < before) {
                if aborted == most {
                    return Ok(aborted);
                }
                let path = Path::parse(&upload.key).map_err(|_| odd("a name that is no path"))?;
                match self.store.abort_multipart(&path, &upload.id).await {
                    Ok(()) => aborted += 1,
                    // It was completed or given up meanwhile.
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let next = (page.next_key_marker, page.next_upload_id_marker);
            if !page.is_truncated || next.0.is_empty() || next == after {
                return Ok(aborted);
            }
            after = next;
        }
    }

    async fn open_uploads(
        &self,
        folder: &str,
        (key, id): &(String, String),
    ) -> Result<Page, BlobError> {
        let mut request = http::Request::builder()
            .method(Method::GET)
            .uri(self.open_uploads_url(folder, key, id))
            .body(HttpRequestBody::empty())
            .map_err(|_| odd("an address that is none"))?;
        AwsAuthorizer::new(&self.credential, "s3", &self.region)
            .try_authorize(&mut request, None)?;
        let answer = self.client.execute(request).await;
        let answer = answer.map_err(|error| BlobError::Store(error.to_string()))?;
        let status = answer.status();
        let body = http_body_util::Limited::new(answer.into_body(), ANSWER_BYTES);
        let body = http_body_util::BodyExt::collect(body).await;
        let body = body.map_err(|_| odd("a list that breaks off"))?.to_bytes();
        if status != StatusCode::OK {
            return Err(BlobError::Store(format!(
                "the list of open uploads: {status}"
            )));
        }
        let text = std::str::from_utf8(&body).map_err(|_| odd("a list that is no text"))?;
        quick_xml::de::from_str(text).map_err(|_| odd("a list of another form"))
    }

    fn open_uploads_url(&self, folder: &str, key: &str, id: &str) -> String {
        let mut query = form_urlencoded::Serializer::new("uploads=".to_owned());
        let prefix = match self.prefix.as_str() {
            "" => format!("{folder}/"),
            own => format!("{own}/{folder}/"),
        };
        query.append_pair("prefix", &prefix);
        if !key.is_empty() {
            query.append_pair("key-marker", key);
            query.append_pair("upload-id-marker", id);
        }
        format!("{}?{}", self.bucket_url, query.finish())
    }
}

fn odd(what: &str) -> BlobError {
    BlobError::Store(format!("the server answered with {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_open_uploads_is_read() {
        let text = "<?xml version=\"1.0\"?><ListMultipartUploadsResult xmlns=\"x\"><Bucket>b</Bucket>\
             <KeyMarker/><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>n</NextUploadIdMarker>\
             <IsTruncated>true</IsTruncated>\
             <Upload><Key>staging/a</Key><UploadId>1</UploadId><Owner><ID>o</ID></Owner>\
             <Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload><Prefix>staging/</Prefix>\
             <Upload><Key>staging/b</Key><UploadId>2</UploadId>\
             <Initiated>2026-01-02T03:04:06.000Z</Initiated></Upload></ListMultipartUploadsResult>";
        let page: Page = quick_xml::de::from_str(text).unwrap();
        assert!(page.is_truncated);
        assert_eq!(page.next_key_marker, "k");
        let keys: Vec<_> = page
            .upload
            .iter()
            .map(|upload| upload.key.as_str())
            .collect();
        assert_eq!(keys, ["staging/a", "staging/b"]);
        let none: Page = quick_xml::de::from_str("<ListMultipartUploadsResult/>").unwrap();
        assert!(none.upload.is_empty() && !none.is_truncated);
    }
}
