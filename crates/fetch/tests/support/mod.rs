//! Repositories made with the git program, and a small web server for them.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fetch::{Credentials, Fetcher, Limits, Options, Protocol, RepoUrl, Repository};
use tempfile::TempDir;

/// A work tree whose commits tests make.
pub(crate) struct Repo {
    dir: TempDir,
}

impl Repo {
    pub(crate) fn new() -> Self {
        Repo::with_hash("sha1")
    }

    pub(crate) fn with_hash(name: &str) -> Self {
        let repo = Repo {
            dir: TempDir::new().unwrap(),
        };
        let format = format!("--object-format={name}");
        repo.git(&["init", "-q", "-b", "main", &format]);
        repo
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Tester", "-c", "user.email=t@example.org"])
            .args(args)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Commits everything; the commit id.
    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn file_url(&self) -> String {
        format!("file://{}", self.path().display())
    }
}

pub(crate) struct Bench {
    pub(crate) cache: TempDir,
    pub(crate) limits: Limits,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Bench {
            cache: TempDir::new().unwrap(),
            limits: Limits::PRODUCTION,
        }
    }

    pub(crate) fn fetcher(&self) -> Fetcher {
        let mut options = Options::new(self.cache.path());
        options.protocols = BTreeSet::from([
            Protocol::File,
            Protocol::Http,
            Protocol::Https,
            Protocol::Ssh,
        ]);
        options.limits = self.limits.clone();
        Fetcher::new(options).unwrap()
    }
}

pub(crate) fn repository(url: &str) -> Repository {
    Repository {
        url: RepoUrl::parse(url).unwrap(),
        credentials: Credentials::default(),
    }
}

/// How the server answers.
#[derive(Clone, Default)]
pub(crate) struct Web {
    /// `Authorization` header that is demanded.
    pub(crate) authorization: Option<String>,
    /// Answer to everything: status line and body.
    pub(crate) always: Option<(&'static str, &'static str)>,
    /// Another server that every request is sent to.
    pub(crate) redirect: Option<String>,
    /// Serve with `git http-backend` instead of as plain files.
    pub(crate) smart: bool,
}

/// A server for the directory, on a port of its own, until the process ends.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) n_requests: Arc<AtomicUsize>,
    pub(crate) web: Arc<Mutex<Web>>,
    /// Every `Authorization` header that arrived.
    pub(crate) authorizations: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn serve(root: PathBuf, web: Web) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server {
        url: format!("http://{}", listener.local_addr().unwrap()),
        n_requests: Arc::default(),
        web: Arc::new(Mutex::new(web)),
        authorizations: Arc::default(),
    };
    let (n, web, seen) = (
        server.n_requests.clone(),
        server.web.clone(),
        server.authorizations.clone(),
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            n.fetch_add(1, Ordering::SeqCst);
            let (root, web, seen) = (root.clone(), web.lock().unwrap().clone(), seen.clone());
            std::thread::spawn(move || answer(stream, &root, &web, &seen));
        }
    });
    server
}

type Headers = Vec<(String, String)>;

fn answer(mut stream: TcpStream, root: &Path, web: &Web, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    let headers = read_headers(&mut reader);
    let authorization = header(&headers, "authorization");
    seen.lock().unwrap().extend(authorization.clone());
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut reply = |status: &str, extra: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{extra}\r\n"
        );
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
    };
    if let Some((status, body)) = web.always {
        let kind = "Content-Type: application/x-git-upload-pack-advertisement\r\n";
        return reply(status, kind, body.as_bytes());
    }
    if let Some(to) = &web.redirect {
        return reply("302 Found", &format!("Location: {to}{target}\r\n"), b"");
    }
    if web.authorization.is_some() && authorization != web.authorization {
        let extra = "WWW-Authenticate: Basic realm=\"git\"\r\n";
        return reply("401 Unauthorized", extra, b"");
    }
    if web.smart {
        let (status, head, body) = backend(root, method, target, &headers, &mut reader);
        return reply(&status, &head, &body);
    }
    match std::fs::read(root.join(target.split('?').next().unwrap().trim_start_matches('/'))) {
        Ok(body) => reply("200 OK", "", &body),
        Err(_) => reply("404 Not Found", "", b""),
    }
}

fn read_headers(reader: &mut impl BufRead) -> Headers {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => return headers,
        }
    }
}

fn header(headers: &Headers, name: &str) -> Option<String> {
    headers
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.clone())
}

/// Status line, headers and body that `git http-backend` gives.
fn backend(
    root: &Path,
    method: &str,
    target: &str,
    headers: &Headers,
    reader: &mut impl Read,
) -> (String, String, Vec<u8>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name| header(headers, name).unwrap_or_default();
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&body).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let mut status = "200 OK".to_owned();
    let mut head = String::new();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        match line.strip_prefix("Status: ") {
            Some(text) => text.clone_into(&mut status),
            None => head.extend([line, "\r\n"]),
        }
    }
    (status, head, output[end + 4..].to_vec())
}
