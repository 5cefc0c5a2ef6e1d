//! Chart archives: gzipped tar files into files in memory.
//!
//! In: the bytes of a `.tgz`. Out: its files with the top directory cut off. Links, paths that leave
//! the chart and archives beyond the limits are refused; nothing is written anywhere.

use std::cell::Cell;
use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use sprig::gopath;

/// What a chart may cost to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together after decompression, archives of sub-charts included.
    pub total_bytes: u64,
    /// Number of files, those of sub-charts included.
    pub files: usize,
    /// How deep sub-charts may be nested.
    pub depth: usize,
}

impl Default for Limits {
    /// 100 MiB as Helm has it; 50,000 files; 32 levels.
    fn default() -> Self {
        Self {
            total_bytes: 100 * 1024 * 1024,
            files: 50_000,
            depth: 32,
        }
    }
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not gzip.
    #[error("gzip: invalid header")]
    NotGzip,
    /// Cut short.
    #[error("{}", if *.0 { "EOF" } else { "unexpected EOF" })]
    Short(bool),
    /// Damaged.
    #[error("archive/tar: invalid tar header")]
    Read(std::io::Error),
    /// A path that starts at the root.
    #[error("chart illegally contains absolute paths")]
    AbsolutePath,
    /// A file beside the top directory.
    #[error("chart illegally contains content outside the base directory: {0:?}")]
    OutsideBase(String),
    /// A path with too many `..`.
    #[error("chart illegally references parent directory")]
    ParentPath,
    /// A path with a drive letter.
    #[error("chart contains illegally named files")]
    IllegalName,
    /// `Chart.yaml` at the top instead of in a directory.
    #[error("chart yaml not in base directory")]
    NoBaseDirectory,
    /// Beyond [`Limits::total_bytes`].
    #[error("decompressed chart is larger than the maximum size {0}")]
    TooLarge(u64),
    /// Beyond [`Limits::files`].
    #[error("chart has more than {0} files")]
    TooManyFiles(usize),
    /// Nothing in it.
    #[error("no files in chart archive")]
    Empty,
}

/// Files with their paths inside the chart.
pub type Files = Vec<(String, Arc<[u8]>)>;

/// What is left of the limits while a chart and its sub-charts are loaded.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    bytes: u64,
    files: usize,
    /// Bytes that may still come out of decompressing: contents, headers and what is skipped.
    stream_bytes: u64,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: limits.total_bytes,
            files: limits.files,
            stream_bytes: limits.total_bytes + limits.files as u64 * HEADER_BYTES + SLACK_BYTES,
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.limits.depth
    }

    /// Takes one file of that size off.
    pub(super) fn take(&mut self, size: u64) -> Result<(), ArchiveError> {
        self.files = self
            .files
            .checked_sub(1)
            .ok_or(ArchiveError::TooManyFiles(self.limits.files))?;
        self.bytes = self
            .bytes
            .checked_sub(size)
            .ok_or(ArchiveError::TooLarge(self.limits.total_bytes))?;
        Ok(())
    }
}

/// The files of an archive in their order, names relative to the chart.
pub(super) fn read(archive: &[u8], budget: &mut Budget) -> Result<Files, ArchiveError> {
    check_header(archive)?;
    let total_bytes = budget.limits.total_bytes;
    let left = Cell::new(Some(budget.stream_bytes));
    let damaged = |error| match left.get() {
        Some(_) => damaged(error),
        None => ArchiveError::TooLarge(total_bytes),
    };
    let mut tar = tar::Archive::new(Bounded {
        inner: MultiGzDecoder::new(archive),
        left: &left,
    });
    let mut files = Vec::new();
    for entry in tar.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if name.ends_with('/') {
            continue;
        }
        let path = relative(&name)?;
        let mut data = Vec::new();
        // Links and devices are files without contents, as in Helm.
        if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            budget.take(entry.size())?;
            entry
                .by_ref()
                .take(budget.limits.total_bytes)
                .read_to_end(&mut data)
                .map_err(damaged)?;
        } else {
            budget.take(0)?;
        }
        let mut data = Arc::from(data);
        strip_bom(&mut data);
        files.push((path, data));
    }
    if files.is_empty() {
        return Err(ArchiveError::Empty);
    }
    budget.stream_bytes = left.get().unwrap_or_default();
    Ok(files)
}

/// What a file takes in an archive besides its contents: a header, often one of extensions, and padding.
const HEADER_BYTES: u64 = 1 << 10;
/// What an archive may hold besides.
const SLACK_BYTES: u64 = 1 << 20;

/// A reader that ends in an error when it gave more than it may: headers of extensions are read whole, and entries
/// that are skipped are decompressed all the same.
struct Bounded<'l, R> {
    inner: R,
    /// Nothing once it gave too much.
    left: &'l Cell<Option<u64>>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n_bytes = self.inner.read(buffer)?;
        let left = self
            .left
            .get()
            .and_then(|left| left.checked_sub(n_bytes as u64));
        self.left.set(left);
        match left {
            Some(_) => Ok(n_bytes),
            None => Err(std::io::ErrorKind::FileTooLarge.into()),
        }
    }
}

/// Tells what is no gzip file from what is cut short, as Go does.
fn check_header(archive: &[u8]) -> Result<(), ArchiveError> {
    const HEADER_LEN: usize = 10;
    if archive.len() < HEADER_LEN {
        return Err(ArchiveError::Short(archive.is_empty()));
    }
    if archive.starts_with(b"\x1f\x8b\x08") {
        Ok(())
    } else {
        Err(ArchiveError::NotGzip)
    }
}

fn damaged(error: std::io::Error) -> ArchiveError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => ArchiveError::Short(false),
        _ => ArchiveError::Read(error),
    }
}

/// Cuts a UTF-8 byte order mark off.
pub(super) fn strip_bom(data: &mut Arc<[u8]>) {
    if let Some(rest) = data.strip_prefix(b"\xEF\xBB\xBF") {
        *data = Arc::from(rest);
    }
}

/// The path without the top directory, checked to stay inside of it.
fn relative(name: &str) -> Result<String, ArchiveError> {
    let delimiter = if name.contains('\\') { '\\' } else { '/' };
    let (first, rest) = name.split_once(delimiter).unwrap_or((name, ""));
    let path = rest.replace(delimiter, "/");
    if path.starts_with('/') {
        return Err(ArchiveError::AbsolutePath);
    }
    let path = gopath::clean_str(&path);
    if path == "." {
        return Err(ArchiveError::OutsideBase(name.to_owned()));
    }
    if path.starts_with("..") {
        return Err(ArchiveError::ParentPath);
    }
    let bytes = path.as_bytes();
    if bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && &bytes[1..3] == b":/" {
        return Err(ArchiveError::IllegalName);
    }
    if first == "Chart.yaml" {
        return Err(ArchiveError::NoBaseDirectory);
    }
    Ok(path)
}
