//! Dependencies of a chart, fetched into its directory.

use std::path::Path;

use fetch::charts::{Charts, Dependencies, Places, Repository, dependency_status};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::server::{Server, World};
use crate::{CONFIG, LAYER};

/// An archive of a chart that holds nothing.
fn chart(name: &str, version: &str) -> Vec<u8> {
    let text = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, format!("{name}/Chart.yaml"), text.as_bytes())
        .unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

fn served() -> Server {
    let mut world = World::default();
    let mut index = "apiVersion: v1\nentries:\n  web:\n".to_owned();
    for version in ["1.0.0", "1.2.0", "2.0.0"] {
        let data = chart("web", version);
        index += &[
            "  - {name: web, version: ",
            version,
            ", urls: [web-",
            version,
            ".tgz]}\n",
        ]
        .concat();
        world.push("r/web", version, [CONFIG, LAYER], &data, &data);
        world.file(&format!("/c/web-{version}.tgz"), data);
    }
    world.file("/bad/index.yaml", index.replace("[web-", "[no/web-"));
    world.file(
        "/evil/index.yaml",
        index
            .replace("[web-", "['no/..?")
            .replace(".tgz]", ".tgz']"),
    );
    world.file("/c/index.yaml", index);
    world.serve()
}

/// A directory with the chart `top`, which has these dependencies, and a chart `web` beside it.
struct Work {
    directory: tempfile::TempDir,
    said: Vec<String>,
}

impl Work {
    fn new(dependencies: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let work = Self {
            directory,
            said: Vec::new(),
        };
        work.write(
            "web/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.2.0\n",
        );
        work.write("web/.helmignore", "secret.txt\n");
        work.write("web/secret.txt", "x");
        work.write("web/values.yaml", "a: 1 # b\n");
        work.write("web/templates/a.yaml", "kind: A\n");
        let text = format!("apiVersion: v2\nname: top\nversion: 0.1.0\n{dependencies}");
        work.write("top/Chart.yaml", &text);
        work
    }

    fn write(&self, path: &str, data: impl AsRef<[u8]>) {
        let path = self.directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    }

    fn top(&self) -> std::path::PathBuf {
        self.directory.path().join("top")
    }

    fn run(&mut self, is_build: bool, repositories: &str) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        self.write("repositories.yaml", repositories);
        let places = Places {
            repository_config: self.directory.path().join("repositories.yaml"),
            repository_cache: self.directory.path().to_owned(),
            registry_configs: Vec::new(),
        };
        let charts = Charts::new(places, Repository::default(), true);
        let top = self.top();
        let mut said = Vec::new();
        let mut say = |line: &str| said.push(line.to_owned());
        let now = "2026-01-02T03:04:05.6Z".parse().unwrap();
        let mut dependencies =
            Dependencies::new(&charts, &top, false, &mut say).map_err(|error| error.to_string())?;
        let done = runtime.block_on(async {
            if is_build {
                dependencies.build(now).await
            } else {
                dependencies.update(now).await
            }
        });
        self.said = said;
        done.map_err(|error| error.to_string())
    }

    fn charts(&self) -> Vec<String> {
        names(&self.top().join("charts"))
    }

    fn lock(&self) -> String {
        std::fs::read_to_string(self.top().join("Chart.lock")).unwrap_or_default()
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Digest and form are those of the real Helm.
#[test]
fn the_lock_file_is_helms() {
    let mut work = Work::new(
        "dependencies:\n- {name: web, version: 1.x, repository: file://../web, condition: web.on, tags: [a], alias: front, import-values: [x, {child: a, parent: b<c}]}\n",
    );
    work.run(false, "").unwrap();
    assert_eq!(
        work.lock(),
        "dependencies:\n- name: web\n  repository: file://../web\n  version: 1.2.0\ndigest: sha256:1f11235c1dc19e1f4ea3a3066d6401af28cf9ffaf5fff12a33ecda9b7b7772fe\ngenerated: \"2026-01-02T03:04:05.6Z\"\n"
    );
    assert_eq!(work.said, ["Saving 1 charts", "Deleting outdated charts"]);
    assert_eq!(work.charts(), ["web-1.2.0.tgz"]);
    let packed = std::fs::read(work.top().join("charts/web-1.2.0.tgz")).unwrap();
    let packed = helm::Chart::from_archive(&packed, &helm::Limits::default()).unwrap();
    assert_eq!(packed.values["a"], 1.0);
    assert_eq!(packed.templates[0].name, "templates/a.yaml");
    assert!(packed.files.iter().all(|file| file.name != "secret.txt"));

    // The same again changes nothing, and a build follows the lock file.
    work.write("top/Chart.lock", work.lock().replace("03:04", "04:05"));
    let lock = work.lock();
    work.run(false, "").unwrap();
    assert_eq!(work.lock(), lock);
    std::fs::remove_dir_all(work.top().join("charts")).unwrap();
    work.run(true, "").unwrap();
    assert_eq!(work.charts(), ["web-1.2.0.tgz"]);
    work.write("top/Chart.lock", lock.replace("sha256:1", "sha256:2"));
    let error = work.run(true, "").unwrap_err();
    assert!(
        error.starts_with("the lock file (Chart.lock) is out of sync"),
        "{error}"
    );
}

#[test]
fn versions_come_from_repositories_and_registries() {
    let server = served();
    for (dependencies, repositories, want) in [
        (
            "[{name: web, version: ^1, repository: 'http://HOST/c'}]",
            "",
            "web-1.2.0.tgz",
        ),
        (
            "[{name: web, version: 1.0.0, repository: 'http://HOST/c/'}]",
            "",
            "web-1.0.0.tgz",
        ),
        (
            "[{name: web, version: '>1', repository: 'oci://HOST/r'}]",
            "",
            "web-2.0.0.tgz",
        ),
        (
            "[{name: web, version: 1.0.0, repository: 'oci://HOST/r'}]",
            "",
            "web-1.0.0.tgz",
        ),
        (
            "[{name: web, version: '*', repository: '@mine'}]",
            "repositories: [{name: mine, url: 'http://HOST/c'}]",
            "web-2.0.0.tgz",
        ),
        (
            "[{name: web, version: '*', repository: 'alias:mine'}]",
            "repositories: [{name: mine, url: 'http://HOST/private/c', username: user, password: word}]",
            "web-2.0.0.tgz",
        ),
        (
            "[{name: web, version: ^1, repository: 'http://HOST/c'}, {name: web, version: ^1, alias: two, repository: 'http://HOST/c'}]",
            "",
            "web-1.2.0.tgz",
        ),
    ] {
        let filled = |text: &str| text.replace("HOST", &server.address.to_string());
        let mut work = Work::new(&format!("dependencies: {}\n", filled(dependencies)));
        // What is there goes if it is a chart that is no longer wanted.
        work.write("top/charts/web-0.1.0.tgz", chart("web", "0.1.0"));
        work.write("top/charts/_junk", "x");
        assert_eq!(
            work.run(false, &filled(repositories)),
            Ok(()),
            "{dependencies}"
        );
        assert_eq!(work.charts(), ["_junk", want], "{dependencies}");
        assert!(work.lock().contains(&want[4..9]), "{}", work.lock());
    }
}

/// Dependencies, `repositories.yaml`, error.
const REFUSED: &[[&str; 3]] = &[
    [
        "[{name: web, version: ^9, repository: 'http://HOST/c'}]",
        "",
        "can't get a valid version for 1 subchart(s): \"web\" (repository \"http://HOST/c\", version \"^9\"). Make sure a matching chart version exists in the repo, or change the version constraint in Chart.yaml",
    ],
    [
        "[{name: web, version: a b, repository: 'http://HOST/c'}]",
        "",
        "dependency \"web\" has an invalid version/constraint format: improper constraint: \"a b\"",
    ],
    [
        "[{name: db, version: ^1, repository: 'http://HOST/c'}]",
        "",
        "db chart not found in repo http://HOST/c",
    ],
    [
        "[{name: web, version: ^1, repository: 'http://HOST/bad'}]",
        "",
        "could not download http://HOST/bad/no/web-1.2.0.tgz: failed to fetch http://HOST/bad/no/web-1.2.0.tgz : 404 Not Found",
    ],
    [
        "[{name: web, version: ^1, repository: 'http://HOST/evil'}]",
        "",
        "http://HOST/evil/ names no file",
    ],
    [
        "[{name: web, version: ^1, repository: stable}]",
        "",
        "no repository definition for stable. Please add them via 'helm repo add'\nNote that repositories must be URLs or aliases. For example, to refer to the \"example\"\nrepository, use \"https://charts.example.com/\" or \"@example\" instead of\n\"example\". Don't forget to add the repo, too ('helm repo add').",
    ],
    [
        "[{name: web, version: ^1, repository: '@none'}]",
        "repositories: [{name: mine, url: 'http://HOST/c'}]",
        "no repository definition for @none. Please add them via 'helm repo add'",
    ],
    [
        "[{name: web, version: ^1, repository: 'ftp://HOST/c'}]",
        "",
        "could not find protocol handler for: ftp",
    ],
    [
        "[{name: web, version: ^1, repository: file://../none}]",
        "",
        "directory DIR/none not found",
    ],
    [
        "[{name: web, version: ^2, repository: file://../web}]",
        "",
        "can't get a valid version for 1 subchart(s): \"web\" (repository \"file://../web\", version \"^2\"). Make sure a matching chart version exists in the repo, or change the version constraint in Chart.yaml",
    ],
    [
        "[{name: web, version: ^1}]",
        "",
        "directory DIR/top/charts/web not found",
    ],
    [
        "[{name: none, version: ^1, repository: 'oci://HOST/r'}]",
        "",
        "could not retrieve list of tags for repository oci://HOST/r: GET \"http://HOST/v2/r/none/tags/list\": response status code 404: name unknown: not here",
    ],
    [
        "[{name: web, version: 9.9.9, repository: 'oci://HOST/r'}]",
        "",
        "could not download oci://HOST/r/web:9.9.9: failed to perform \"FetchReference\" on source: HOST/r/web:9.9.9: not found",
    ],
];

#[test]
fn nothing_changes_when_a_dependency_cannot_be_had() {
    let server = served();
    for [dependencies, repositories, want] in REFUSED {
        let filled = |text: &str| text.replace("HOST", &server.address.to_string());
        let mut work = Work::new(&format!("dependencies: {}\n", filled(dependencies)));
        if !dependencies.contains("version: ^1}") {
            work.write("top/charts/web-0.1.0.tgz", chart("web", "0.1.0"));
        }
        let before = work.charts();
        let error = work.run(false, &filled(repositories)).unwrap_err();
        let directory = work.directory.path().display().to_string();
        assert_eq!(error, filled(want).replace("DIR", &directory));
        assert_eq!(
            (work.charts(), work.lock()),
            (before, String::new()),
            "{dependencies}"
        );
    }
}

#[test]
fn what_is_no_chart_directory_is_refused() {
    let mut work = Work::new("");
    assert_eq!(work.run(false, ""), Ok(()));
    assert_eq!(work.said, [""; 0]);
    work.write(
        "top/Chart.yaml",
        "apiVersion: v9\nname: top\nversion: 1.0.0\n",
    );
    assert_eq!(
        work.run(false, "").unwrap_err(),
        "unsupported chart version"
    );
    std::fs::remove_dir_all(work.top()).unwrap();
    let want = format!(
        "could not find {0}: stat {0}: no such file or directory",
        work.top().display()
    );
    assert_eq!(work.run(false, "").unwrap_err(), want);
    std::fs::write(work.top(), "x").unwrap();
    assert_eq!(
        work.run(false, "").unwrap_err(),
        "only unpacked charts can be updated"
    );
}

#[test]
fn the_status_of_a_dependency_is_a_word() {
    for (files, version, want) in [
        (&[][..], "^1", "missing"),
        (&[("web-1.2.0.tgz", chart("web", "1.2.0"))], "^1", "ok"),
        (
            &[("web-1.2.0.tgz", chart("web", "1.2.0"))],
            "^2",
            "wrong version",
        ),
        (
            &[("web-1.2.0.tgz", chart("web", "1.2.0"))],
            "a b",
            "invalid version",
        ),
        (&[("web-1.2.0.tgz", chart("db", "1.2.0"))], "^1", "misnamed"),
        (
            &[
                ("web-1.2.0.tgz", chart("web", "1.2.0")),
                ("web-x.tgz", chart("web", "1.0.0")),
            ],
            "^1",
            "ok",
        ),
        (
            &[
                ("web-1.2.0.tgz", chart("web", "1.2.0")),
                ("web-1.0.0.tgz", chart("web", "1.0.0")),
            ],
            "^1",
            "too many matches",
        ),
        (
            &[(
                "web/Chart.yaml",
                b"apiVersion: v2\nname: web\nversion: 1.2.0\n".to_vec(),
            )],
            "^1",
            "unpacked",
        ),
        (
            &[(
                "web/Chart.yaml",
                b"apiVersion: v2\nname: web\nversion: 1.2.0\n".to_vec(),
            )],
            "^2",
            "wrong version",
        ),
    ] {
        let work = Work::new(&format!(
            "dependencies: [{{name: web, version: '{version}', repository: ''}}]\n"
        ));
        let mut all = vec![(
            "Chart.yaml".to_owned(),
            std::fs::read(work.top().join("Chart.yaml")).unwrap(),
        )];
        for (name, data) in files {
            work.write(&format!("top/charts/{name}"), data);
            all.push((format!("charts/{name}"), data.clone()));
        }
        let top = helm::Chart::from_directory(all, &helm::Limits::default()).unwrap();
        let dependency = &top.metadata.dependencies.as_ref().unwrap()[0];
        assert_eq!(
            dependency_status(&work.top(), dependency, &top),
            want,
            "{version}"
        );
    }
    let work = Work::new("");
    work.write("top/charts/web-1.2.0.tgz", "x");
    let dependency = helm::Dependency {
        name: "web".to_owned(),
        version: "^1".to_owned(),
        ..helm::Dependency::default()
    };
    let top = helm::Chart::from_archive(&chart("top", "1.0.0"), &helm::Limits::default()).unwrap();
    assert_eq!(dependency_status(&work.top(), &dependency, &top), "corrupt");
}
