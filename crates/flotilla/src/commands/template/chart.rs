//! Charts on the local disk: where a chart is and what is in it.
//!
//! In: a path. Out: a loaded chart. Fetches nothing.

use std::fs::{File, FileType};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use helm::{Chart, Limits, LoadError, LoadFailure};

use super::print_log;

/// Where a chart was found.
#[derive(Debug)]
pub(crate) enum Located {
    /// A directory or an archive on the disk.
    Local(PathBuf),
    /// An archive that was fetched.
    Archive(Vec<u8>),
}

impl Located {
    /// Loads the chart. When that fails, what Helm says before is printed.
    pub(crate) fn load(&self) -> Result<Chart> {
        match self {
            Self::Local(path) => load(path),
            Self::Archive(data) => from_archive(data),
        }
    }
}

/// The local path that a chart's name means, or nothing when it is not on the disk.
///
/// Source: Helm `LocateChart`.
pub(crate) fn find_local(name: &str) -> Result<Option<PathBuf>> {
    let path = Path::new(name);
    if path.try_exists().unwrap_or(false) {
        let path = std::path::absolute(path).with_context(|| format!("cannot resolve {name}"))?;
        return Ok(Some(path));
    }
    if path.is_absolute() || name.starts_with('.') {
        bail!("path {name:?} not found");
    }
    Ok(None)
}

/// Loads the chart at a path.
pub(crate) fn load(path: &Path) -> Result<Chart> {
    let limits = Limits::default();
    let about = std::fs::metadata(path).map_err(|error| go_error("stat", path, &error))?;
    if about.is_dir() {
        return load_directory(path);
    }
    if about.len() > limits.total_bytes {
        bail!(
            "{} is larger than {} bytes",
            path.display(),
            limits.total_bytes
        );
    }
    let data = std::fs::read(path).map_err(|error| go_error("open", path, &error))?;
    check_archive(path, &data)?;
    from_archive(&data)
}

/// Refuses what is no gzip file.
///
/// Source: Helm `EnsureArchive`; of the types that Go detects only the likely ones are told apart.
fn check_archive(path: &Path, data: &[u8]) -> Result<()> {
    const SNIFFED: usize = 512;
    if data.starts_with(b"\x1f\x8b\x08") {
        return Ok(());
    }
    let name = path.display().to_string();
    let extension = path.extension().and_then(|extension| extension.to_str());
    if matches!(extension, Some("yml" | "yaml")) {
        bail!("file '{name}' seems to be a YAML file, but expected a gzipped archive");
    }
    let head = data.get(..SNIFFED);
    let binary = |c: &u8| *c < 0x20 && !b"\t\n\x0c\r\x1b".contains(c);
    // Quirk: Go looks at a buffer that ends in zeros when the file is short.
    let found = match head {
        _ if data.starts_with(b"PK\x03\x04") => "application/zip",
        Some(head) if !head.iter().any(binary) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    bail!("file '{name}' does not appear to be a gzipped archive; got '{found}'")
}

fn from_archive(data: &[u8]) -> Result<Chart> {
    match Chart::from_archive(data, &Limits::default()) {
        Err(LoadFailure {
            error: LoadError::OwnArchive(_),
            ..
        }) => bail!("unable to load chart archive"),
        loaded => told(loaded),
    }
}

/// Prints what there was to say before a chart turned out to be none.
fn told(loaded: Result<Chart, LoadFailure>) -> Result<Chart> {
    if let Err(failure) = &loaded {
        print_log(&failure.log)?;
    }
    Ok(loaded?)
}

fn load_directory(path: &Path) -> Result<Chart> {
    let about = path.join("Chart.yaml");
    if let Err(error) = std::fs::metadata(&about) {
        bail!(
            "unable to detect chart at {}: {}",
            about.display(),
            go_error("open", &about, &error)
        );
    }
    told(Chart::from_directory(
        read_directory(path)?,
        &Limits::default(),
    ))
}

/// The files below a directory, names being relative to it.
pub(crate) fn read_directory(path: &Path) -> Result<helm::Files> {
    let (files, log) = walk(path);
    print_log(&log)?;
    files
}

/// The files below a directory, names being relative to it; and the links that were found.
pub(crate) fn walk(path: &Path) -> (Result<helm::Files>, Vec<helm::Record>) {
    let mut tree = Tree {
        files: Vec::new(),
        bytes: Limits::default().total_bytes,
        open: Vec::new(),
        log: Vec::new(),
    };
    let walked = tree.walk(path, "");
    (walked.map(|()| tree.files), tree.log)
}

/// An error of the operating system as Go words it.
pub(crate) fn go_error(operation: &str, path: &Path, error: &std::io::Error) -> anyhow::Error {
    use std::io::ErrorKind;
    let reason = match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::NotADirectory => "not a directory".to_owned(),
        ErrorKind::IsADirectory => {
            return anyhow::anyhow!("read {}: is a directory", path.display());
        }
        _ => error.to_string(),
    };
    anyhow::anyhow!("{operation} {}: {reason}", path.display())
}

/// The files of a chart directory. Links are followed, as Helm does; loops are not.
struct Tree {
    files: helm::Files,
    /// What may still be read.
    bytes: u64,
    /// The directories around what is looked at, the outermost first.
    open: Vec<PathBuf>,
    log: Vec<helm::Record>,
}

impl Tree {
    fn walk(&mut self, directory: &Path, prefix: &str) -> Result<()> {
        let cannot = || format!("cannot read {}", directory.display());
        let entries = std::fs::read_dir(directory).with_context(cannot)?;
        let mut entries = entries
            .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))))
            .collect::<std::io::Result<Vec<_>>>()
            .with_context(cannot)?;
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.open.push(directory.to_owned());
        for (path, kind) in entries {
            self.take(&path, kind, prefix)?;
        }
        self.open.pop();
        Ok(())
    }

    fn take(&mut self, path: &Path, kind: FileType, prefix: &str) -> Result<()> {
        let cannot = || format!("cannot read {}", path.display());
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            bail!("{} has a name that is no UTF-8", path.display());
        };
        let name = format!("{prefix}{name}");
        if kind.is_symlink() {
            return self.follow(path, name);
        }
        if kind.is_dir() {
            return self.walk(path, &format!("{name}/"));
        }
        if !kind.is_file() {
            return Err(irregular(path));
        }
        let mut file = File::open(path).with_context(cannot)?;
        let length = file.metadata().with_context(cannot)?.len();
        self.charge(length)?;
        // A byte more tells the end of the file with the first read.
        let mut data = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
        file.read_to_end(&mut data).with_context(cannot)?;
        self.files.push((name, data.into()));
        Ok(())
    }

    /// Takes what a link leads to. Only links lead back to directories that are open.
    fn follow(&mut self, path: &Path, name: String) -> Result<()> {
        let cannot = || format!("cannot read {}", path.display());
        let resolved = path.canonicalize().map_err(|error| {
            let error = go_error("lstat", path, &error);
            anyhow::anyhow!("error evaluating symlink {}: {error}", path.display())
        })?;
        self.log.push(link(path, &resolved));
        let about = std::fs::metadata(path).with_context(cannot)?;
        if about.is_dir() {
            let is_target = |open: &PathBuf| open.canonicalize().is_ok_and(|real| real == resolved);
            if self.open.iter().any(is_target) {
                bail!("{} links to a directory above it", path.display());
            }
            return self.walk(path, &format!("{name}/"));
        }
        if !about.is_file() {
            return Err(irregular(path));
        }
        self.charge(about.len())?;
        let data = std::fs::read(path).with_context(cannot)?;
        self.files.push((name, data.into()));
        Ok(())
    }

    fn charge(&mut self, bytes: u64) -> Result<()> {
        self.bytes = self.bytes.checked_sub(bytes).with_context(|| {
            format!(
                "chart exceeds maximum decompressed size of {} bytes",
                Limits::default().total_bytes
            )
        })?;
        Ok(())
    }
}

fn irregular(path: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "cannot load irregular file {} as it has file mode type bits set",
        path.display()
    )
}

fn link(path: &Path, resolved: &Path) -> helm::Record {
    helm::Record {
        level: helm::Level::Info,
        message: "found symbolic link in path. Contents of linked file included and used"
            .to_owned(),
        attributes: vec![
            ("path", path.display().to_string()),
            ("resolved", resolved.display().to_string()),
        ],
    }
}
