//! What a crash leaves in the store goes, and what is referred to or somebody else's stays.

use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use gatelog::ports::blobs::Blobs;
use reqwest::Method;

use super::bucket::Bucket;
use super::support::engines::prepared;
use super::support::{Server, clip, until_so};
use super::{begun, content, files, pairs, picture, stored_in};

/// Named as the server names them; no event knows of any.
const ORPHANS: [&str; 5] = [
    "uploads/019a0000-0000-7000-8000-000000000004/1",
    "staging/019a0000-0000-7000-8000-000000000001",
    "media/019a0000-0000-7000-8000-000000000002/0000000000000000000000000000000000000000000000000000000000000000",
    "outputs/019a0000-0000-7000-8000-000000000003/1/poster.webp",
    "outputs/019a0000-0000-7000-8000-000000000003/2/poster.webp",
];
/// Others see to them, or nobody knows what they are.
const OTHERS: [&str; 4] = [
    "uploads/of-another-program/1",
    "log/00000000000000000001-00000000000000000002.zst",
    "outputs/of-another-program/1/x",
    "something/else",
];

async fn put(blobs: &Blobs, object: &str) {
    let body = futures::stream::iter([Ok::<_, ()>(Bytes::from_static(b"x"))]);
    blobs.put(object, body, 10).await.unwrap();
}

/// Where the objects of a test are.
enum Store<'a> {
    Folder(&'a Path),
    Bucket(&'a Bucket, &'a str),
}

impl Store<'_> {
    async fn objects(&self) -> Vec<String> {
        match self {
            Self::Folder(folder) => files(folder),
            Self::Bucket(bucket, prefix) => {
                let (own, all) = (format!("{prefix}/"), bucket.objects().await);
                let names = all.iter().filter_map(|name| name.strip_prefix(&own));
                names.map(str::to_owned).collect()
            }
        }
    }

    /// As if some time had passed, where it need not pass.
    fn age(&self) {
        if let Self::Folder(folder) = self {
            for name in files(folder) {
                let file = std::fs::File::options().write(true).open(folder.join(name));
                let past = SystemTime::now() - Duration::from_mins(1);
                file.unwrap().set_modified(past).unwrap();
            }
        }
    }

    async fn open(&self) -> usize {
        match self {
            Self::Folder(_) => 0,
            Self::Bucket(bucket, prefix) => {
                let open = bucket.open().await;
                open.iter().filter(|name| name.starts_with(*prefix)).count()
            }
        }
    }

    async fn until(&self, what: &str, is_so: impl Fn(&[String], usize) -> bool) {
        let is_so = async || is_so(&self.objects().await, self.open().await);
        until_so(what, is_so).await;
    }
}

/// A resumable upload that is half there.
async fn upload_half(server: &Server, token: &str) {
    let tus = |method, path: &str| {
        let request = server.request(method, path).bearer_auth(token);
        request.header("tus-resumable", "1.0.0")
    };
    let made = tus(Method::POST, "/v1/uploads").header("upload-length", 2000);
    let made = made.send().await.unwrap();
    assert_eq!(made.status(), 201);
    let path = made.headers()["location"].to_str().unwrap();
    let piece = tus(Method::PATCH, path)
        .header("upload-offset", 0)
        .header("content-type", "application/offset+octet-stream")
        .body(picture(1000, 9));
    assert_eq!(piece.send().await.unwrap().status(), 204);
}

/// Dies with an upload under way, and comes back as a server that sweeps what is five seconds old: no upload of these
/// tests stands still for so long.
async fn story(mut server: Server, blobs: Blobs, store: Store<'_>, all: &[(&str, &str)]) {
    server.launch_worker().await;
    let token = server.token("ada@example.com").await;
    let film = server.upload(&token, "film.mp4", clip()).await;
    let job = server.job(&token, &film, "metadata").await;
    assert_eq!(server.ended(&token, &job).await["state"], "succeeded");
    upload_half(&server, &token).await;
    let live = store.objects().await;
    assert_eq!(live.len(), 3, "{live:?}");
    let cut = begun(&server, &token, picture(12_000_000, 5));
    store
        .until("an upload is under way", |objects, open| {
            objects.len() + open > 3
        })
        .await;
    server.kill();
    cut.abort();
    let left = store.objects().await.len() + store.open().await;
    assert_eq!(left, 4, "the crash leaves an orphan");
    for object in ORPHANS.iter().chain(&OTHERS) {
        put(&blobs, object).await;
    }
    store.age();
    let settings = [all, &[("STORAGE_SWEEP_AFTER", "5")]].concat();
    let mut server = Server::prepare(&server.data, &settings);
    server.launch().await;
    let mut kept: Vec<String> = OTHERS.iter().map(|name| (*name).to_owned()).collect();
    kept.extend(live);
    kept.sort();
    store
        .until("only the orphans are gone", |objects, open| {
            objects == kept && open == 0
        })
        .await;
    assert!(content(&server, &token, &film).await.bytes().await.unwrap() == clip());
    stays(&server, &token, &blobs, &store, kept.len()).await;
}

/// Swept again and again, nothing that is made meanwhile goes.
async fn stays(server: &Server, token: &str, blobs: &Blobs, store: &Store<'_>, kept: usize) {
    let mut made = Vec::new();
    for n in 0..6 {
        let picture = picture(200_000, n);
        let media = server.upload(token, "a.png", picture.clone()).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        made.push((media, picture));
    }
    // The turn that takes one from afterwards, in the folder that is swept last, has looked at all of them.
    store.age();
    put(blobs, ORPHANS[0]).await;
    let is_swept = |objects: &[String], _: usize| !objects.iter().any(|name| name == ORPHANS[0]);
    store.until("a later orphan is gone", is_swept).await;
    for (media, picture) in made {
        let content = content(server, token, &media).await;
        assert!(content.bytes().await.unwrap() == picture);
    }
    assert_eq!(store.objects().await.len(), kept + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_in_a_folder_are_swept() {
    for (mut server, url, folder) in prepared(&[]).await {
        server.launch().await;
        let store = folder.path().join("blobs");
        let blobs = Blobs::local(&store).unwrap();
        story(
            server,
            blobs,
            Store::Folder(&store),
            &[("DATABASE_URL", &url)],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_in_a_bucket_are_swept() {
    let bucket = Bucket::start().await;
    for (prefix, (_, url, folder)) in ["one", "two"].into_iter().zip(prepared(&[]).await) {
        let mut settings = bucket.settings(prefix);
        settings.push(("DATABASE_URL", url));
        let mut server = Server::prepare(folder.path(), &pairs(&settings));
        server.launch().await;
        let blobs = stored_in(&server, &settings);
        let store = Store::Bucket(&bucket, prefix);
        story(server, blobs, store, &pairs(&settings)).await;
    }
}
