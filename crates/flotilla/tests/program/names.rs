//! The names of upstream's programs, as links to this one.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Answer;

struct Links {
    dir: tempfile::TempDir,
}

impl Links {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["fleet", "fleetcontroller", "fleetagent", "other"] {
            let link = dir.path().join(name);
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_flotilla"), link).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Answer {
        let mut command = Command::new(self.path(name));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir.path());
        let output = command.output().unwrap();
        Answer {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn each_name_has_its_own_version_and_usage() {
    let links = Links::new();
    let version = env!("CARGO_PKG_VERSION");
    for (name, program, usage) in [
        ("fleet", "fleet", "Usage: fleet [OPTIONS] <COMMAND>"),
        (
            "fleetcontroller",
            "fleetcontroller",
            "Usage: fleetcontroller [OPTIONS]",
        ),
        ("fleetagent", "fleetagent", "Usage: fleetagent [OPTIONS]"),
        // Any other name is that of a copy.
        ("other", "flotilla", "Usage: flotilla [OPTIONS] <COMMAND>"),
    ] {
        let answer = links.run(name, &["--version"]);
        assert_eq!(
            (answer.code, answer.stdout),
            (0, format!("{program} {version}\n"))
        );
        let answer = links.run(name, &["--help"]);
        assert!(answer.stdout.contains(usage), "{}", answer.stdout);
        let answer = links.run(name, &["--no-such-flag"]);
        let code = if name == "other" { 2 } else { 1 };
        assert_eq!(answer.code, code, "{name}: {}", answer.stderr);
    }
    // A command explains itself under the name it was called by.
    let help = links.run("fleet", &["apply", "--help"]).stdout;
    assert!(help.contains("Usage: fleet apply"), "{help}");
    let help = links.run("fleetcontroller", &["gitjob", "--help"]).stdout;
    assert!(help.contains("Usage: fleetcontroller gitjob"), "{help}");
}

#[test]
fn flags_of_upstreams_controller_are_taken_before_anything_is_connected_to() {
    let links = Links::new();
    // With all flags right, what is wrong is that there is no such kubeconfig.
    let flags = [
        "--debug",
        "--debug-level",
        "5",
        "--disable-metrics",
        "--disable-bootstrap",
        "--leader-elect=false",
        "--namespace",
        "fleet-system",
        "--shard-id",
        "east",
        "--zap-encoder=json",
        "--zap-devel=false",
        "--zap-log-level",
        "info",
        "--zap-stacktrace-level",
        "error",
        "--zap-time-encoding",
        "epoch",
        "--kubeconfig",
        "/does/not/exist",
    ];
    for (name, first) in [("fleetcontroller", None), ("other", Some("controller"))] {
        let arguments: Vec<&str> = first.into_iter().chain(flags).collect();
        let answer = links.run(name, &arguments);
        assert_eq!(answer.code, 1, "{}", answer.stderr);
        assert!(
            answer.stderr.contains("/does/not/exist"),
            "{}",
            answer.stderr
        );
    }
    for wrong in [
        &["--shard-id", "Not A Label"][..],
        &["--auto-shard", "--leader-elect=false"],
        &["--lease-duration", "10s", "--renew-deadline", "10s"],
        &["--zap-encoder", "xml"],
        &["--workers", "many"],
        &["--grace-period", "0s"],
    ] {
        let answer = links.run("fleetcontroller", wrong);
        assert_eq!(answer.code, 1, "{wrong:?}: {}", answer.stderr);
        assert!(
            !answer.stderr.contains("/does/not/exist"),
            "{}",
            answer.stderr
        );
    }
}

#[test]
fn processes_of_upstream_that_are_not_there_say_so() {
    let links = Links::new();
    let answer = links.run(
        "fleetcontroller",
        &["helmops", "--debug", "--shard-id", "a"],
    );
    assert_eq!(answer.code, 1);
    assert!(
        answer.stderr.starts_with("error: helmops: "),
        "{}",
        answer.stderr
    );
    assert_eq!(links.run("fleetcontroller", &["no-such-part"]).code, 1);
}

#[test]
fn parts_say_that_the_controller_does_it_and_end_well_when_they_are_told_to() {
    for part in ["gitjob", "agentmanagement", "cleanup"] {
        waits(part);
    }
}

fn waits(part: &str) {
    let links = Links::new();
    let mut child = Command::new(links.path("fleetcontroller"))
        .args([
            part,
            "--listen",
            ":8080",
            "--gitjob-image",
            "rancher/fleet:dev",
        ])
        .env_clear()
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert!(
        said.contains("the controller (fleetcontroller without a word)"),
        "{said}"
    );
    let told = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn flags_of_upstreams_agent_are_taken_before_anything_is_connected_to() {
    let links = Links::new();
    let flags = [
        "--namespace=cattle-fleet-system",
        "--agent-scope",
        "other",
        "--checkin-interval",
        "90s",
        "--leader-elect=false",
        "--debug",
        "--debug-level=5",
        "--zap-encoder",
        "json",
        "--kubeconfig",
        "/does/not/exist",
    ];
    let answer = links.run("fleetagent", &flags);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    assert!(
        answer.stderr.contains("/does/not/exist"),
        "{}",
        answer.stderr
    );
    for (wrong, says) in [
        (
            &[][..],
            "--namespace or env NAMESPACE is required to be set",
        ),
        (
            &["--namespace="],
            "--namespace or env NAMESPACE is required to be set",
        ),
        (
            &["--namespace=a", "--checkin-interval", "soon"],
            "--checkin-interval",
        ),
        (
            &["--namespace=a", "--hub-kubeconfig", "/x"],
            "--cluster-name",
        ),
        (
            &["--namespace=a", "--cluster-name", "x"],
            "--hub-kubeconfig",
        ),
        (
            &["--namespace=a", "--lease-duration", "5s"],
            "--renew-deadline",
        ),
    ] {
        let answer = links.run("fleetagent", wrong);
        assert_eq!(answer.code, 1, "{wrong:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(says), "{wrong:?}: {}", answer.stderr);
    }
}
