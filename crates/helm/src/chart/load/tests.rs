//! Loading charts from lists of files and from archives, good ones and bad ones.

use std::io::Write as _;

use super::*;

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.2.3\n";

fn files(list: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    list.iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn archive_of(list: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in list {
        let mut header = tar::Header::new_gnu();
        // The library refuses to write paths that an attacker would.
        let bytes = name.as_bytes();
        header.as_old_mut().name[..bytes.len()].copy_from_slice(bytes);
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, text.as_bytes()).expect("appends");
    }
    gzip(&tar.into_inner().expect("finishes"))
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("compresses");
    encoder.finish().expect("finishes")
}

fn refused(result: Result<Chart, LoadFailure>) -> String {
    result.expect_err("must be refused").to_string()
}

#[test]
fn files_are_sorted_by_their_place() {
    let chart = Chart::from_files(
        files(&[
            ("Chart.yaml", CHART),
            ("values.yaml", "a: 1\n---\nb: x\n"),
            ("values.schema.json", "{}"),
            ("templates/a.yaml", "x"),
            ("crds/c.yaml", "y"),
            ("README.md", "z"),
            ("charts/sub/Chart.yaml", "name: sub\nversion: 0.1.0\n"),
            ("charts/sub/templates/s.yaml", "s"),
            ("charts/_off/Chart.yaml", "not: a chart"),
            ("charts/sub.tgz.prov", "sig"),
        ]),
        &Limits::default(),
    )
    .expect("loads");
    let names = |files: &[File]| files.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&chart.templates), ["templates/a.yaml"]);
    assert_eq!(
        names(&chart.files),
        ["crds/c.yaml", "README.md", "charts/sub.tgz.prov"]
    );
    assert_eq!(
        serde_json::Value::Object(chart.values),
        serde_json::json!({"a": 1.0, "b": "x"})
    );
    assert!(chart.schema.is_some());
    assert_eq!(chart.dependencies.len(), 1);
    assert_eq!(chart.dependencies[0].metadata.api_version, "v1");
}

#[test]
fn requirements_of_old_charts_are_read() {
    let chart = Chart::from_files(
        files(&[
            ("Chart.yaml", "apiVersion: v1\nname: web\nversion: 1.0.0\n"),
            (
                "requirements.yaml",
                "dependencies:\n- name: db\n  version: '>1'\n  alias: store\n",
            ),
        ]),
        &Limits::default(),
    )
    .expect("loads");
    let dependencies = chart.metadata.dependencies.expect("some");
    assert_eq!(dependencies[0].effective_name(), "store");
    assert_eq!(chart.files.len(), 1);
}

#[test]
fn a_directory_leaves_out_what_helmignore_names() {
    let chart = Chart::from_directory(
        files(&[
            ("z.txt", "z"),
            ("docs/a.md", "a"),
            (".helmignore", "docs/\n"),
            ("Chart.yaml", &format!("\u{feff}{CHART}")),
            ("templates/.swp", "x"),
        ]),
        &Limits::default(),
    )
    .expect("loads");
    let names: Vec<_> = chart.files.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, [".helmignore", "z.txt"]);
    assert!(chart.templates.is_empty());
}

#[test]
fn archives_of_charts_hold_archives_of_sub_charts() {
    let inner = archive_of(&[(
        "sub/Chart.yaml",
        "apiVersion: v2\nname: sub\nversion: 2.0.0\n",
    )]);
    let list = vec![
        ("Chart.yaml".to_owned(), CHART.as_bytes().to_vec()),
        ("charts/sub-2.0.0.tgz".to_owned(), inner),
    ];
    let chart = Chart::from_files(list, &Limits::default()).expect("loads");
    assert_eq!(chart.dependencies[0].name(), "sub");
    let outer = archive_of(&[("web/Chart.yaml", CHART), ("web/templates/a.yaml", "a")]);
    let chart = Chart::from_archive(&outer, &Limits::default()).expect("loads");
    assert_eq!(chart.templates[0].name, "templates/a.yaml");
}

#[test]
fn bad_charts_are_refused_in_the_words_of_helm() {
    for (list, want) in [
        (vec![], "Chart.yaml file is missing"),
        (
            vec![("Chart.yaml", "name: web\n")],
            "validation: chart.metadata.version is required",
        ),
        (
            vec![("Chart.yaml", "apiVersion: v9\nname: web\nversion: 1.0.0\n")],
            "unsupported chart version",
        ),
        (
            vec![
                ("Chart.yaml", "apiVersion: v9\nname: web\n"),
                ("values.yaml", "- a\n"),
            ],
            "unsupported chart version",
        ),
        (
            vec![("Chart.yaml", "- a\n")],
            "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type loader.chartBase",
        ),
        (
            vec![("Chart.yaml", CHART), ("values.yaml", "- a\n")],
            "cannot load values.yaml: cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (
            vec![("Chart.yaml", CHART), ("charts/README.md", "x")],
            "error unpacking subchart README.md in web: Chart.yaml file is missing",
        ),
        (
            vec![("Chart.yaml", CHART), ("charts/a.tgz/x", "x")],
            "error unpacking subchart tar in web: expected a.tgz, got a.tgz/x",
        ),
    ] {
        assert_eq!(
            refused(Chart::from_files(files(&list), &Limits::default())),
            want
        );
    }
}

#[test]
fn hostile_archives_are_refused() {
    for (name, want) in [
        (
            "web//etc/passwd",
            "unable to load chart archive: chart illegally contains absolute paths",
        ),
        (
            "web/../../x",
            "unable to load chart archive: chart illegally references parent directory",
        ),
        (
            "web/c:/x",
            "unable to load chart archive: chart contains illegally named files",
        ),
        (
            "Chart.yaml/x",
            "unable to load chart archive: chart yaml not in base directory",
        ),
        (
            "loose",
            "unable to load chart archive: chart illegally contains content outside the base directory: \"loose\"",
        ),
    ] {
        let archive = archive_of(&[(name, "x")]);
        assert_eq!(
            refused(Chart::from_archive(&archive, &Limits::default())),
            want,
            "{name:?}"
        );
    }
    for (archive, want) in [
        (&b""[..], "EOF"),
        (b"no gzip", "unexpected EOF"),
        (b"no gzip at all", "gzip: invalid header"),
    ] {
        assert_eq!(
            refused(Chart::from_archive(archive, &Limits::default())),
            format!("unable to load chart archive: {want}")
        );
    }
    assert_eq!(
        refused(Chart::from_archive(&archive_of(&[]), &Limits::default())),
        "unable to load chart archive: no files in chart archive"
    );
}

#[test]
fn links_in_archives_are_empty_files() {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(CHART.len() as u64);
    tar.append_data(&mut header, "web/Chart.yaml", CHART.as_bytes())
        .expect("appends");
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "web/secret", "/etc/passwd")
        .expect("appends");
    let archive = gzip(&tar.into_inner().expect("finishes"));
    let chart = Chart::from_archive(&archive, &Limits::default()).expect("loads");
    assert_eq!(chart.files[0].name, "secret");
    assert!(chart.files[0].data.is_empty());
}

#[test]
fn an_archive_needs_a_chart_file() {
    let archive = archive_of(&[("web/values.yaml", "a: 1\n")]);
    assert_eq!(
        refused(Chart::from_archive(&archive, &Limits::default())),
        "unable to detect chart version, no Chart.yaml found"
    );
}

#[test]
fn loading_warns_of_requirements_in_charts_of_version_2() {
    let list = files(&[
        ("Chart.yaml", CHART),
        ("requirements.yaml", "dependencies: []\n"),
        ("requirements.lock", "digest: x\n"),
    ]);
    let chart = Chart::from_files(list, &Limits::default()).expect("loads");
    let log: Vec<&str> = chart.log.iter().map(|r| r.message.as_str()).collect();
    let got: Vec<_> = log.iter().map(|line| line.split(" since").next()).collect();
    assert_eq!(
        got,
        [
            Some("Warning: Dependencies are handled in Chart.yaml"),
            Some("Warning: Dependency locking is handled in Chart.lock"),
        ]
    );
    assert!(chart.files.is_empty());
}

#[test]
fn what_is_skipped_in_an_archive_is_bounded_too() {
    for kind in [
        tar::EntryType::XHeader,
        tar::EntryType::XGlobalHeader,
        tar::EntryType::GNULongName,
        tar::EntryType::Directory,
    ] {
        let text = vec![0; 8 << 20];
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(text.len() as u64);
        header.set_cksum();
        tar.append(&header, text.as_slice()).expect("appends");
        let archive = gzip(&tar.into_inner().expect("finishes"));
        let small = Limits {
            total_bytes: 1 << 20,
            files: 10,
            ..Limits::default()
        };
        assert_eq!(
            refused(Chart::from_archive(&archive, &small)),
            "unable to load chart archive: decompressed chart is larger than the maximum size 1048576",
            "{kind:?}"
        );
    }
}

#[test]
fn limits_hold_for_sizes_numbers_and_depth() {
    let archive = archive_of(&[("web/Chart.yaml", CHART), ("web/big", &"x".repeat(1000))]);
    let small = Limits {
        total_bytes: 500,
        ..Limits::default()
    };
    assert_eq!(
        refused(Chart::from_archive(&archive, &small)),
        "unable to load chart archive: decompressed chart is larger than the maximum size 500"
    );
    let few = Limits {
        files: 1,
        ..Limits::default()
    };
    assert_eq!(
        refused(Chart::from_archive(&archive, &few)),
        "unable to load chart archive: chart has more than 1 files"
    );
    let flat = Limits {
        depth: 0,
        ..Limits::default()
    };
    let list = files(&[("Chart.yaml", CHART), ("charts/a/Chart.yaml", CHART)]);
    assert_eq!(
        refused(Chart::from_files(list, &flat)),
        "error unpacking subchart a in web: sub-charts are nested deeper than 0 levels"
    );
}
