//! `flotilla chart lint` over the charts of `crates/helm/tests/data/lint`, whose findings were recorded
//! from `helm lint`.

use std::fmt::Write as _;
use std::path::Path;

use crate::cases::{Case, parse, sorted, words};
use crate::flotilla;

const DEFAULT: &[u8] = b"apiVersion: v2\nname: c\nversion: 1.0.0\n";

/// What differs from what was recorded.
fn check(case: &Case) -> String {
    let work = tempfile::tempdir().unwrap();
    let write = |name: &str, data: &[u8]| {
        let path = work.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    };
    write("chart/Chart.yaml", DEFAULT);
    for (name, data) in &case.files {
        write(name, data);
    }
    let mut differences = String::new();
    for command in &case.commands {
        let line = words(&command.line);
        let arguments: Vec<&str> = ["chart", "lint"]
            .into_iter()
            .chain(line.iter().map(String::as_str))
            .collect();
        let answer = flotilla(work.path(), &[], &arguments);
        let place = work.path().to_str().unwrap();
        let stdout = answer.stdout.replace(place, "/case");
        let stderr = answer.stderr.replace(place, "/case");
        let fails = command.stderr.contains("Error: ");
        if stdout != command.stdout
            || sorted(&stderr) != sorted(&command.stderr)
            || answer.code != i32::from(fails)
        {
            let _ = write!(
                differences,
                "\n{}\n$ {}\n--- got {}\n{stdout}{stderr}--- want\n{}{}",
                case.name, command.line, answer.code, command.stdout, command.stderr
            );
        }
    }
    differences
}

#[test]
fn findings_are_those_of_helm() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../helm/tests/data/lint");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        cases.extend(parse(&text));
    }
    let n_commands: usize = cases.iter().map(|case| case.commands.len()).sum();
    assert!(n_commands > 300, "only {n_commands} commands were found");
    let differences: String = cases.iter().map(check).collect();
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn archives_are_linted_as_what_they_unpack_to() {
    let work = tempfile::tempdir().unwrap();
    let archive = |name: &str, files: &[(&str, &str)]| {
        let file = std::fs::File::create(work.path().join(name)).unwrap();
        let zip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        let mut tar = tar::Builder::new(zip);
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
    };
    let about = "apiVersion: v2\nname: a\nversion: 1.0.0\nicon: a:b\n";
    let ignore = "templates/bad.yaml\n";
    let bad = ("a/templates/bad.yaml", "{{");
    archive(
        "a.tgz",
        &[("a/Chart.yaml", about), ("a/.helmignore", ignore), bad],
    );
    archive("b.tar.gz", &[("a/Chart.yaml", about), bad]);
    archive("c.tgz", &[("a/Chart.yaml", "name: ..\n")]);
    archive("d.tgz", &[("a/values.yaml", "")]);
    let arguments = ["chart", "lint", "a.tgz", "b.tar.gz", "c.tgz", "d.tgz"];
    let answer = flotilla(work.path(), &[], &arguments);
    let info = "[INFO] values.yaml: file does not exist\n";
    let parse = "[ERROR] templates/: parse error at (a/templates/bad.yaml:1): unclosed action\n";
    let want = format!(
        "==> Linting a.tgz\n{info}\n\
         ==> Linting b.tar.gz\n{info}{parse}\n\
         ==> Linting c.tgz\nError unable to extract tarball: chart name \"..\" is not allowed\n\n\
         ==> Linting d.tgz\nError unable to extract tarball: chart name not specified\n\n"
    );
    assert_eq!(answer.stdout, want);
    assert_eq!(
        answer.stderr,
        "Error: 4 chart(s) linted, 3 chart(s) failed\n"
    );
    assert_eq!(answer.code, 1);
}
