//! A directory of the disk seen as files.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::os::unix::fs::symlink;

use bundle::tree::{Entry, Files, ReadError, read_following, stat};
use fetch::Directory;
use tempfile::TempDir;

#[test]
fn files_directories_and_links_are_told_apart() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join("work/b/empty")).unwrap();
    std::fs::write(dir.path().join("work/a"), "12").unwrap();
    std::fs::write(dir.path().join("outside"), "o").unwrap();
    symlink("../outside", dir.path().join("work/link")).unwrap();
    symlink("nothing", dir.path().join("work/broken")).unwrap();
    let files = Directory::new(dir.path().join("work"));
    assert_eq!(
        files.list(".").unwrap(),
        [
            ("a".to_owned(), Entry::File(2)),
            ("b".to_owned(), Entry::Directory),
            ("broken".to_owned(), Entry::Link("nothing".to_owned())),
            ("link".to_owned(), Entry::Link("../outside".to_owned())),
        ]
    );
    assert_eq!(&*read_following(&files, "link").unwrap(), b"o");
    assert_eq!(&*files.read("../outside").unwrap(), b"o");
    assert_eq!(stat(&files, "broken").unwrap(), None);
    assert_eq!(files.entry("a/below").unwrap(), None);
    assert_eq!(files.entry("none").unwrap(), None);
    assert_eq!(files.list("b").unwrap().len(), 1);
    assert_eq!(
        files.shown("b/x"),
        dir.path().join("work/b/x").to_string_lossy()
    );
}

#[test]
fn errors_read_like_those_of_a_commit() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("a"), "").unwrap();
    let files = Directory::new(dir.path());
    assert_eq!(
        files.read("x").unwrap_err(),
        ReadError::NotFound { path: "x".into() }
    );
    assert!(matches!(
        files.read("."),
        Err(ReadError::IsDirectory { .. })
    ));
    assert_eq!(
        files.list("a").unwrap_err(),
        ReadError::NotDirectory { path: "a".into() }
    );
    assert_eq!(
        files.list("x").unwrap_err(),
        ReadError::NotFound { path: "x".into() }
    );
}

#[test]
fn a_name_that_is_no_text_is_an_error_that_shows_it() {
    let dir = TempDir::new().unwrap();
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"bad\xff");
    std::fs::write(dir.path().join(name), "").unwrap();
    let error = Directory::new(dir.path())
        .list(".")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("bad") && error.contains("not UTF-8"),
        "{error}"
    );
}
