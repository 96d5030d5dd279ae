//! The stored tiles are those of the definition, whoever appends, and every root and proof follows from them.
#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts its own writers"
)]

mod support;

use eventlog::{
    Database, Frontier, Hash, Log, TILE_WIDTH, Tree, Value, leaf_hash, verify_consistency,
    verify_inclusion,
};
use support::{ENGINES, append, database, open};

async fn write(log: Log, writer: usize, appends: usize, each: usize) {
    let (stream, mut version) = (format!("own-{writer}"), 0);
    for _ in 0..appends {
        let events = log.append(append(&stream, version, each)).await.unwrap();
        version = events.last().unwrap().sequence;
    }
}

/// Two nodes with three writers each, so that each has to go on from the other's edge.
async fn two_nodes_write(database: &Database) -> [Log; 2] {
    let logs = [open(database).await, open(database).await];
    let writers = (0..6).map(|n| tokio::spawn(write(logs[n % 2].clone(), n, 40, 5 + n)));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    logs
}

async fn tiles(database: &Database) -> Vec<(i64, i64, Vec<u8>, Vec<u8>)> {
    let none: [Value; 0] = [];
    let sql = "SELECT level, tile, root, hashes FROM log_tiles ORDER BY level, tile";
    let rows = database.query(sql, &none).await.unwrap();
    let tile = |row: &eventlog::Row| {
        let number = |column| row.int(column).unwrap();
        (
            number(0),
            number(1),
            row.bytes(2).unwrap(),
            row.bytes(3).unwrap(),
        )
    };
    rows.iter().map(tile).collect()
}

async fn leaves(database: &Database) -> Vec<Hash> {
    let none: [Value; 0] = [];
    let sql = "SELECT leaf_hash FROM events ORDER BY position";
    let rows = database.query(sql, &none).await.unwrap();
    let leaf = |row: &eventlog::Row| row.bytes(0).unwrap().try_into().unwrap();
    rows.iter().map(leaf).collect()
}

fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Frontier::default();
    for leaf in leaves {
        tree.push(*leaf);
    }
    tree.root()
}

async fn delete(database: &Database, condition: &str) {
    let sql = format!("DELETE FROM log_tiles WHERE {condition}");
    database.execute(vec![(sql, Vec::new())]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_root_and_proof_is_that_of_the_leaves_whoever_appends() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let [log, other] = two_nodes_write(&database).await;
        let leaves = leaves(&database).await;
        let size = leaves.len() as u64;
        let stored = tiles(&database).await;
        assert_eq!(stored.len() as u64, size / TILE_WIDTH, "{engine}");
        for (n, (level, tile, root_of_it, hashes)) in stored.iter().enumerate() {
            assert_eq!((*level, *tile), (0, n as i64));
            assert_eq!(*hashes, leaves[n * 256..][..256].concat());
            assert_eq!(*root_of_it, root(&leaves[n * 256..][..256]));
        }
        let tree = Tree::new(database.clone());
        let head = tree.head().await.unwrap();
        assert_eq!((head.size, head.root), (size, root(&leaves)));
        let sizes = [
            1,
            2,
            255,
            256,
            257,
            300,
            511,
            512,
            513,
            1000,
            size - 1,
            size,
        ];
        for size in sizes {
            let now = root(&leaves[..size as usize]);
            assert_eq!(tree.root(size).await.unwrap(), now, "{size}");
            for index in [0, 1, 100, 255, 256, 511, 999, size - 1].map(|n| n.min(size - 1)) {
                let proof = tree.inclusion_proof(index, size).await.unwrap().unwrap();
                let leaf = leaves[index as usize];
                assert!(
                    verify_inclusion(leaf, index, size, &now, &proof),
                    "{index} of {size}"
                );
            }
            for old in sizes.into_iter().filter(|old| *old <= size) {
                let proof = tree.consistency_proof(old, size).await.unwrap().unwrap();
                let then = root(&leaves[..old as usize]);
                assert!(
                    verify_consistency((old, &then), (size, &now), &proof),
                    "{old} {size}"
                );
            }
        }
        assert_eq!(tree.inclusion_proof(size, size).await.unwrap(), None);
        assert_eq!(tree.tile(0, size / 256, 256).await.unwrap(), None);
        assert_eq!(tree.tile(0, 1 << 60, 1).await.unwrap(), None);
        log.shut_down().await;
        other.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_that_are_missing_are_made_when_the_log_is_opened() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        write(log.clone(), 0, 50, 250).await;
        let all = tiles(&database).await;
        assert_eq!(all.len(), 48);
        delete(&database, "TRUE").await;
        // Nobody is kept from appending where tiles are missing.
        write(log.clone(), 1, 2, 250).await;
        log.shut_down().await;
        delete(&database, "tile % 3 = 1").await;
        let log = open(&database).await;
        assert_eq!(tiles(&database).await[..48], all, "{engine}");
        write(log.clone(), 2, 2, 250).await;
        assert_eq!(tiles(&database).await.len(), 52);
        assert_eq!(Tree::new(database).fill().await.unwrap(), 0);
        log.shut_down().await;
    }
}

/// What is archived and has its roots in the tile above needs no rows of its own.
async fn forgotten_below(database: &Database, leaves: &[Hash]) {
    let all = tiles(database).await;
    let segment = "INSERT INTO log_segments (last_position, first_position, object, bytes, frames, frontier, root) \
                   VALUES ($1, 1, 'none', 0, $2, $2, $2)";
    let params = vec![65_536.into(), Vec::<u8>::new().into()];
    let archived = vec![(segment.to_owned(), params)];
    database.execute(archived).await.unwrap();
    database.forget_archived_leaves(65_535).await.unwrap();
    assert_eq!(count(database).await, all.len() as i64);
    database.forget_archived_leaves(65_536).await.unwrap();
    assert_eq!(count(database).await, all.len() as i64 - 256);
    let tree = Tree::new(database.clone());
    let size = leaves.len() as u64;
    assert_eq!(tree.root(size).await.unwrap(), root(leaves));
    assert_eq!(tree.fill().await.unwrap(), 0);
    for (index, tile) in all.iter().filter(|tile| tile.0 == 0).enumerate() {
        let root = tree.tile_root(0, index as u64).await.unwrap();
        assert_eq!(root.unwrap().to_vec(), tile.2, "{index}");
    }
    delete(database, "level = 0 AND tile = 257").await;
    assert_eq!(tree.fill().await.unwrap(), 1);
}

async fn count(database: &Database) -> i64 {
    let none: [Value; 0] = [];
    let sql = "SELECT COUNT(*) FROM log_tiles";
    let rows = database.query(sql, &none).await.unwrap();
    rows[0].int(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_of_the_second_level_is_written_when_its_last_leaf_is() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let writers = (0..8).map(|n| tokio::spawn(write(log.clone(), n, 33, 251)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let leaves = leaves(&database).await;
        let (mut lower, upper) = (tiles(&database).await, tiles(&database).await);
        lower.retain(|tile| tile.0 == 0);
        let upper: Vec<_> = upper.into_iter().filter(|tile| tile.0 == 1).collect();
        assert_eq!((upper.len(), upper[0].1), (1, 0), "{engine}");
        let roots: Vec<Vec<u8>> = lower[..256].iter().map(|tile| tile.2.clone()).collect();
        assert_eq!(upper[0].3, roots.concat());
        assert_eq!(upper[0].2, root(&leaves[..65536]));
        let tree = Tree::new(database.clone());
        assert_eq!(tree.root(leaves.len() as u64).await.unwrap(), root(&leaves));
        let proof = tree
            .inclusion_proof(65_536, leaves.len() as u64)
            .await
            .unwrap()
            .unwrap();
        let now = root(&leaves);
        assert!(verify_inclusion(
            leaves[65_536],
            65_536,
            leaves.len() as u64,
            &now,
            &proof
        ));
        assert_ne!(leaves[0], leaf_hash(""));
        delete(&database, "level = 1 OR tile = 7").await;
        assert_eq!(tree.fill().await.unwrap(), 2);
        forgotten_below(&database, &leaves).await;
        log.shut_down().await;
    }
}
