//! A chart repository and registry on the loopback interface.
//!
//! Files are served by path. Below `/private` a login is wanted (`user`, `word`); `/to/HOST:PORT/...`
//! and `/again/...` redirect; `/v2` is a registry whose repositories below `token/` and `basic/` want a
//! login. What was asked is kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

/// `user:word`
const LOGIN: &str = "Basic dXNlcjp3b3Jk";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What is served, by path.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) tags: BTreeMap<String, Vec<String>>,
}

/// A running server; it ends with the test's process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl World {
    pub(crate) fn file(&mut self, path: &str, data: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), data.into());
    }

    /// Puts a chart into the registry; the layer served may be another than the manifest names.
    pub(crate) fn push(
        &mut self,
        name: &str,
        tag: &str,
        kinds: [&str; 2],
        layer: &[u8],
        served: &[u8],
    ) {
        let config = b"{}";
        let digest = digest(layer);
        let manifest = format!(
            "{{\"schemaVersion\": 2, \"config\": {{\"mediaType\": \"{}\", \"digest\": \"{}\", \"size\": 2}},
             \"layers\": [{{\"mediaType\": \"{}\", \"digest\": \"{digest}\", \"size\": {}}}]}}",
            kinds[0], self::digest(config), kinds[1], layer.len()
        );
        self.file(&format!("/v2/{name}/blobs/{digest}"), served);
        self.file(&format!("/v2/{name}/manifests/{tag}"), manifest.clone());
        let by_digest = self::digest(manifest.as_bytes());
        self.file(&format!("/v2/{name}/manifests/{by_digest}"), manifest);
        self.tags
            .entry(name.to_owned())
            .or_default()
            .push(tag.to_owned());
    }

    /// Serves it.
    pub(crate) fn serve(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (world, log) = (Arc::new(self), Arc::clone(&asked));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (world, log) = (Arc::clone(&world), Arc::clone(&log));
                std::thread::spawn(move || world.talk(connection, address, &log));
            }
        });
        Server { address, asked }
    }

    fn talk(
        &self,
        mut connection: TcpStream,
        own: SocketAddr,
        log: &Mutex<Vec<String>>,
    ) -> Option<()> {
        let mut reader = BufReader::new(connection.try_clone().ok()?);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let target = line.split(' ').nth(1)?.to_owned();
            let (mut authorization, mut host, mut length) = (String::new(), String::new(), 0);
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).ok()?;
                let Some((name, value)) = header.trim_end().split_once(": ") else {
                    break;
                };
                match name.to_ascii_lowercase().as_str() {
                    "authorization" => value.clone_into(&mut authorization),
                    "host" => value.clone_into(&mut host),
                    "content-length" => length = value.parse().ok()?,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let body = String::from_utf8(body).ok()?;
            log.lock()
                .unwrap()
                .push(format!("{host} {target} {authorization}"));
            let answer = self.answer(&target, &authorization, &body, own);
            let mut head = format!(
                "HTTP/1.1 {}\r\nContent-Length: {}\r\n",
                answer.status,
                answer.body.len()
            );
            for (name, value) in answer.headers {
                let _ = write!(head, "{name}: {value}\r\n");
            }
            connection
                .write_all(format!("{head}\r\n").as_bytes())
                .ok()?;
            connection.write_all(&answer.body).ok()?;
        }
    }

    fn answer(&self, target: &str, authorization: &str, body: &str, own: SocketAddr) -> Answer {
        let path = target.split('?').next().unwrap();
        let plain = |status, body: &[u8]| Answer {
            status,
            headers: Vec::new(),
            body: body.to_vec(),
        };
        let moved = |to: String| Answer {
            headers: vec![("Location", to)],
            ..plain("302 Found", b"")
        };
        if let Some(rest) = path.strip_prefix("/to/") {
            return moved(format!("http://{rest}"));
        }
        if let Some(rest) = path.strip_prefix("/again/") {
            return moved(format!("/{rest}"));
        }
        if path == "/round" {
            return moved("/round".to_owned());
        }
        if path == "/token" {
            let known = authorization == LOGIN || body.contains("refresh_token=fresh");
            return match (target.contains("token%2Fopen"), known) {
                (true, _) | (_, true) => plain("200 OK", b"{\"token\": \"t0ken\"}"),
                _ => plain(
                    "401 Unauthorized",
                    b"{\"errors\": [{\"code\": \"DENIED\", \"message\": \"who?\"}]}",
                ),
            };
        }
        let wanted = match path.strip_prefix("/v2/") {
            Some(rest) if rest.starts_with("token/") => "Bearer t0ken",
            Some(rest) if rest.starts_with("basic/") => LOGIN,
            None if path.starts_with("/private/") => LOGIN,
            _ => authorization,
        };
        if authorization != wanted {
            let challenge = match wanted {
                LOGIN => "Basic realm=\"x\"".to_owned(),
                _ => format!("Bearer realm=\"http://{own}/token\",service=\"s\""),
            };
            return Answer {
                headers: vec![("WWW-Authenticate", challenge)],
                ..plain("401 Unauthorized", b"")
            };
        }
        if let Some(name) = path
            .strip_prefix("/v2/")
            .and_then(|rest| rest.strip_suffix("/tags/list"))
        {
            return self.tags(name, target);
        }
        let path = path.strip_prefix("/private").unwrap_or(path);
        match self.files.get(path) {
            Some(data) if path.contains("/manifests/") => Answer {
                headers: vec![("Content-Type", MANIFEST.to_owned())],
                ..plain("200 OK", data)
            },
            Some(data) => plain("200 OK", data),
            None => plain(
                "404 Not Found",
                b"{\"errors\": [{\"code\": \"NAME_UNKNOWN\", \"message\": \"not here\"}]}",
            ),
        }
    }

    /// One tag a page.
    fn tags(&self, name: &str, target: &str) -> Answer {
        let Some(tags) = self.tags.get(name) else {
            let body =
                b"{\"errors\": [{\"code\": \"NAME_UNKNOWN\", \"message\": \"not here\"}]}".to_vec();
            return Answer {
                status: "404 Not Found",
                headers: Vec::new(),
                body,
            };
        };
        let page: usize = target
            .split_once("page=")
            .map_or(0, |(_, page)| page.parse().unwrap());
        let mut headers = Vec::new();
        if page + 1 < tags.len() {
            let next = format!("</v2/{name}/tags/list?page={}>; rel=\"next\"", page + 1);
            headers.push(("Link", next));
        }
        let body = format!("{{\"tags\": [\"{}\"]}}", tags[page]).into_bytes();
        Answer {
            status: "200 OK",
            headers,
            body,
        }
    }
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn oci(&self, path: &str) -> String {
        format!("oci://{}{path}", self.address)
    }

    /// What was asked since the last call: host, path and query, `Authorization`.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

pub(crate) fn digest(data: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(data)))
}
