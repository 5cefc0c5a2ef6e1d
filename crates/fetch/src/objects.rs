//! Reads what `git ls-tree -r -l -z` and `git cat-file --batch` print. Pure.

/// One entry of a commit's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: ItemKind,
    /// Object id.
    pub(crate) id: String,
}

/// What an entry is. Whether a file is executable does not matter to anybody here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemKind {
    File { size: u64 },
    Link { size: u64 },
    Submodule,
}

/// Entries of `<mode> <type> <id> <size>\t<path>\0`…; `None` if the text has another form.
pub(crate) fn parse_listing(listing: &[u8]) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    for record in listing
        .split(|&b| b == 0)
        .filter(|record| !record.is_empty())
    {
        let tab = record.iter().position(|&b| b == b'\t')?;
        let head = std::str::from_utf8(&record[..tab]).ok()?;
        let mut words = head.split_ascii_whitespace();
        let (mode, kind, id, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let size = || size.parse::<u64>().ok();
        let kind = match (mode, kind) {
            ("120000", "blob") => ItemKind::Link { size: size()? },
            (_, "blob") => ItemKind::File { size: size()? },
            (_, "commit") => ItemKind::Submodule,
            _ => return None,
        };
        let path = record[tab + 1..].to_vec();
        items.push(Item {
            path,
            kind,
            id: id.to_owned(),
        });
    }
    Some(items)
}

/// Reads blobs of `<id> blob <size>\n<bytes>\n`…, in the order they were asked for.
pub(crate) struct Blobs<'a> {
    rest: &'a [u8],
}

impl<'a> Blobs<'a> {
    pub(crate) fn new(output: &'a [u8]) -> Self {
        Blobs { rest: output }
    }

    /// The next blob, which must be `id`; `None` if it is missing or the text has another form.
    pub(crate) fn next(&mut self, id: &str) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|&b| b == b'\n')?;
        let head = std::str::from_utf8(&self.rest[..end]).ok()?;
        let size: usize = head
            .strip_prefix(id)?
            .strip_prefix(" blob ")?
            .parse()
            .ok()?;
        let body = self.rest.get(end + 1..)?;
        let content = body.get(..size)?;
        self.rest = body.get(size..)?.strip_prefix(b"\n")?;
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn listings_are_read() {
        let listing = b"100644 blob aa       5\ta b\tc\x00100755 blob bb 0\tx/\xff\0\
            120000 blob cc      3\tl\x00160000 commit dd       -\tm\0";
        let items = parse_listing(listing).unwrap();
        let item = |path: &[u8], kind, id: &str| Item {
            path: path.to_vec(),
            kind,
            id: id.into(),
        };
        assert_eq!(
            items,
            [
                item(b"a b\tc", ItemKind::File { size: 5 }, "aa"),
                item(b"x/\xff", ItemKind::File { size: 0 }, "bb"),
                item(b"l", ItemKind::Link { size: 3 }, "cc"),
                item(b"m", ItemKind::Submodule, "dd"),
            ]
        );
        assert_eq!(parse_listing(b""), Some(vec![]));
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in [
            "x",
            "100644 blob aa\tp",
            "100644 blob aa -\tp",
            "040000 tree aa -\tp",
            "\t",
        ] {
            assert_eq!(parse_listing(bad.as_bytes()), None, "{bad:?}");
        }
        for bad in [
            "",
            "aa",
            "aa missing\n",
            "bb blob 1\nx\n",
            "aa blob 2\nx\n",
            "aa blob x\n",
            "aa tree 1\nx\n",
            "aa blob 1\nx",
        ] {
            assert_eq!(Blobs::new(bad.as_bytes()).next("aa"), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn blobs_come_back_as_written(blobs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let mut output = Vec::new();
            for (i, blob) in blobs.iter().enumerate() {
                output.extend(format!("{i:040} blob {}\n", blob.len()).bytes());
                output.extend(blob);
                output.push(b'\n');
            }
            let mut reader = Blobs::new(&output);
            for (i, blob) in blobs.iter().enumerate() {
                prop_assert_eq!(reader.next(&format!("{i:040}")), Some(blob.as_slice()));
            }
            prop_assert_eq!(reader.next(""), None);
        }

        #[test]
        fn no_output_makes_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse_listing(&bytes);
            let _ = Blobs::new(&bytes).next("0");
        }
    }
}
