//! A registry on the loopback interface that takes uploads. One repository holds one manifest; logins are
//! `Basic`. What was asked is kept.

#![allow(dead_code, reason = "no suite uses everything")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// What the registry holds and how it behaves.
#[derive(Default)]
pub(crate) struct State {
    /// By digest.
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// By repository.
    pub(crate) manifests: BTreeMap<String, Vec<u8>>,
    /// `Authorization` that readers and writers need; either may read.
    pub(crate) reader: Option<String>,
    pub(crate) writer: Option<String>,
    /// Answers 405 to deletes.
    pub(crate) keeps_all: bool,
    /// Answers 503 to everything.
    pub(crate) is_away: bool,
    /// Methods and paths.
    pub(crate) asked: Vec<String>,
}

/// A running registry; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    authorization: String,
    body: Vec<u8>,
}

type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

impl Registry {
    /// Starts an empty one.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let served = registry.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || served.talk(connection));
            }
        });
        registry
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn talk(&self, mut connection: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(connection.try_clone().ok()?);
        loop {
            let request = read(&mut reader)?;
            let is_head = request.method == "HEAD";
            let (status, headers, body) = self.answer(request);
            let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(name);
                head.push_str(": ");
                head.push_str(&value);
                head.push_str("\r\n");
            }
            head.push_str("\r\n");
            connection.write_all(head.as_bytes()).ok()?;
            if !is_head {
                connection.write_all(&body).ok()?;
            }
        }
    }

    fn answer(&self, request: Request) -> Answer {
        let Request {
            method,
            path,
            query,
            authorization,
            body,
        } = request;
        let mut state = self.state();
        state.asked.push(format!("{method} {path}"));
        let plain = |status: u16| (status, Vec::new(), Vec::new());
        if state.is_away {
            return plain(503);
        }
        let reads = matches!(method.as_str(), "GET" | "HEAD");
        let is_writer = state
            .writer
            .as_ref()
            .is_none_or(|known| *known == authorization);
        let is_reader = state
            .reader
            .as_ref()
            .is_none_or(|known| *known == authorization);
        let may = is_writer || (reads && is_reader);
        if !may {
            let challenge = ("WWW-Authenticate", "Basic realm=\"x\"".to_owned());
            return (401, vec![challenge], Vec::new());
        }
        let Some(path) = path.strip_prefix("/v2/") else {
            return plain(404);
        };
        if let Some((repository, _)) = path.split_once("/manifests/") {
            return match method.as_str() {
                "PUT" => {
                    state.manifests.insert(repository.to_owned(), body);
                    plain(201)
                }
                "DELETE" if state.keeps_all => plain(405),
                "DELETE" => match state.manifests.remove(repository) {
                    Some(_) => plain(202),
                    None => plain(404),
                },
                _ => match state.manifests.get(repository) {
                    Some(manifest) => (200, Vec::new(), manifest.clone()),
                    None => plain(404),
                },
            };
        }
        if path.ends_with("/blobs/uploads/") && method == "POST" {
            let place = ("Location", format!("/v2/{path}1?state=x"));
            return (202, vec![place], Vec::new());
        }
        if let Some(digest) = query
            .split('&')
            .find_map(|part| part.strip_prefix("digest="))
        {
            state.blobs.insert(digest.replace("%3A", ":"), body);
            return plain(201);
        }
        let digest = path.rsplit('/').next().unwrap_or_default();
        match state.blobs.get(digest) {
            Some(blob) => (200, Vec::new(), blob.clone()),
            None => plain(404),
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.clone_into(&mut authorization),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        authorization,
        body,
    })
}
