//! The paths of tiles (C2SP tlog-tiles): `<L>/<N>[.p/<W>]` and `entries/<N>[.p/<W>]`, with `<N>` in groups of three
//! digits.

use std::fmt;

use eventlog::TILE_WIDTH;

use super::checkpoint::decimal;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileKind {
    /// Hashes of a level.
    Hashes(u32),
    /// The entries themselves.
    Entries,
}

/// Which tile, full or the beginning of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// What it holds.
    pub kind: TileKind,
    /// Its number.
    pub index: u64,
    /// How many hashes or entries it has.
    pub width: u64,
}

impl TilePath {
    /// Whether it never changes, and never ceases to be there.
    pub fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The smallest tree that has all of it; `None` when no tree is so large.
    pub fn end(self) -> Option<u64> {
        let level = match self.kind {
            TileKind::Entries => 0,
            TileKind::Hashes(level) => level,
        };
        let hashes = self
            .index
            .checked_mul(TILE_WIDTH)?
            .checked_add(self.width)?;
        let leaves = TILE_WIDTH.checked_pow(level)?;
        hashes.checked_mul(leaves)
    }

    /// Reads a path in its only spelling.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(u32::try_from(decimal(level)?).ok().filter(|l| *l < 64)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, decimal(width).filter(|w| *w < TILE_WIDTH)?),
            None => (rest, TILE_WIDTH),
        };
        let index = number
            .split('/')
            .map(|group| group.strip_prefix('x').unwrap_or(group))
            .try_fold(0_u64, |index, group| {
                let digits = (group.len() == 3).then(|| group.parse::<u16>().ok())??;
                index.checked_mul(1000)?.checked_add(digits.into())
            })?;
        let parsed = Self { kind, index, width };
        (width > 0 && parsed.to_string() == path).then_some(parsed)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(formatter, "{level}/")?,
            TileKind::Entries => formatter.write_str("entries/")?,
        }
        let (mut rest, mut number) = (self.index / 1000, format!("{:03}", self.index % 1000));
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        formatter.write_str(&number)?;
        if self.width < TILE_WIDTH {
            write!(formatter, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (path, index, width) in [
            ("0/000", 0, 256),
            ("1/x001/x234/067", 1_234_067, 256),
            ("entries/x001/000.p/17", 1000, 17),
            ("63/999.p/255", 999, 255),
        ] {
            let parsed = TilePath::parse(path).unwrap();
            assert_eq!((parsed.index, parsed.width), (index, width));
            assert_eq!(parsed.to_string(), path);
        }
        for bad in [
            "",
            "0",
            "0/",
            "0/0",
            "0/00",
            "0/0000",
            "00/000",
            "64/000",
            "-1/000",
            "+1/000",
            "0/+01",
            "0/x000/000",
            "0/001/000",
            "0/x001/x000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p",
            "0/000.p/",
            "0/000/",
            "entries",
            "entries/",
            "data/000",
            "0/x001/../000",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(TilePath::parse(bad), None, "{bad}");
        }
    }
}
