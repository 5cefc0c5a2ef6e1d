//! `kustomize`: builds from the disk, with links followed, exit codes and words as kubectl has them.

use std::fs;
use std::os::unix::fs::symlink;

use crate::flotilla;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\n";

#[test]
fn a_directory_is_built_and_warnings_go_to_standard_error() {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("base/kustomization.yml", "resources: [cm.yaml]\n"),
        ("base/cm.yaml", CONFIG),
        ("top/Kustomization", "bases: [../base]\nnamePrefix: a-\n"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let built = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a-cm\n";
    for arguments in [&["kustomize", "top"][..], &["kustomize", "base/../top/"]] {
        let answer = flotilla(root.path(), &[], arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (0, built));
        assert!(
            answer
                .stderr
                .starts_with("# Warning: 'bases' is deprecated.")
        );
    }
    let answer = flotilla(&root.path().join("top"), &[], &["kustomize"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (0, built));
}

#[test]
fn files_outside_of_the_directory_are_refused_through_links_too() {
    let root = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(root.path()).unwrap();
    let real = real.to_str().unwrap();
    fs::create_dir(root.path().join("k")).unwrap();
    fs::write(root.path().join("cm.yaml"), CONFIG).unwrap();
    symlink("../cm.yaml", root.path().join("k/link.yaml")).unwrap();
    for (path, expected) in [
        (
            "../cm.yaml",
            format!("security; file '{real}/cm.yaml' is not in or below '{real}/k'"),
        ),
        (
            "link.yaml",
            format!("security; file '{real}/k/link.yaml' is not in or below '{real}/k'"),
        ),
        (
            "/etc/hostname",
            format!("security; file '/etc/hostname' is not in or below '{real}/k'"),
        ),
        (
            "gone.yaml",
            format!("lstat {real}/k/gone.yaml: no such file or directory"),
        ),
        (
            "https://example.com/a.yaml",
            "remote file 'https://example.com/a.yaml' is not supported".to_owned(),
        ),
    ] {
        let text = format!("resources: ['{path}']\n");
        fs::write(root.path().join("k/kustomization.yaml"), text).unwrap();
        let answer = flotilla(root.path(), &[], &["kustomize", "k"]);
        assert_eq!((answer.code, answer.stdout.as_str()), (1, ""), "{path}");
        assert!(answer.stderr.starts_with("error: accumulating resources: "));
        assert!(answer.stderr.contains(&expected), "{}", answer.stderr);
    }
}
