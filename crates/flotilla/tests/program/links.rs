//! `flotilla apply` over directories with symbolic links out of them.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::{Answer, flotilla};

const SECRET: &str = "of-nobody-else";

/// A directory with a file beside it, and a chart in it.
struct World {
    top: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let world = Self { top };
        world.write("outside/secret.yaml", &format!("kind: {SECRET}\n"));
        world.write(
            "work/app/Chart.yaml",
            "apiVersion: v2\nname: c\nversion: 1.0.0\n",
        );
        world.write("work/app/templates/a.yaml", "kind: A\n");
        world.write("work/beside/secret.yaml", &format!("kind: {SECRET}\n"));
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn link(&self, name: &str, target: &str) {
        symlink(target, self.path("work/app").join(name)).unwrap();
    }

    fn apply(&self) -> Answer {
        let arguments = ["apply", "-n", "default", "-o", "-", "demo", "app"];
        flotilla(&self.path("work"), &[], &arguments)
    }
}

/// Makes links below `app`.
type Links<'a> = &'a dyn Fn(&World);

#[test]
fn links_out_of_a_bundle_are_not_followed() {
    let absolute = |world: &World, name: &str| world.path(name).to_str().unwrap().to_owned();
    let escapes = "target escapes bundle directory";
    let cases: [(&str, Links<'_>, &str); 9] = [
        (
            "relative",
            &|world| world.link("templates/x.yaml", "../../../outside/secret.yaml"),
            escapes,
        ),
        (
            "into a directory beside",
            &|world| world.link("templates/x.yaml", "../../beside/secret.yaml"),
            escapes,
        ),
        (
            "absolute",
            &|world| world.link("templates/x.yaml", &absolute(world, "outside/secret.yaml")),
            escapes,
        ),
        (
            "through a directory",
            &|world| {
                world.link("up", "../../outside");
                world.link("templates/x.yaml", "../up/secret.yaml");
            },
            escapes,
        ),
        (
            "a chain",
            &|world| {
                world.link("templates/x.yaml", "y.yaml");
                world.link("templates/y.yaml", "../z.yaml");
                world.link("z.yaml", &absolute(world, "outside/secret.yaml"));
            },
            escapes,
        ),
        (
            "a directory",
            &|world| world.link("templates/d", "../../../outside"),
            escapes,
        ),
        (
            "an absolute directory",
            &|world| world.link("crds", &absolute(world, "outside")),
            escapes,
        ),
        (
            "a loop",
            &|world| world.link("templates/x.yaml", "x.yaml"),
            "too many levels of symbolic links",
        ),
        (
            "nothing",
            &|world| world.link("templates/x.yaml", "../../../outside/gone.yaml"),
            "no such file or directory",
        ),
    ];
    for (name, links, want) in cases {
        let world = World::new();
        links(&world);
        let answer = world.apply();
        assert_eq!(answer.code, 1, "{name}: {}", answer.stderr);
        assert!(answer.stderr.contains(want), "{name}: {}", answer.stderr);
        for output in [&answer.stdout, &answer.stderr] {
            assert!(!output.contains(SECRET), "{name}: {output}");
        }
    }
}

#[test]
fn links_within_a_bundle_are_followed() {
    let world = World::new();
    world.write("work/app/real/x.yaml", "kind: Within\n");
    world.link("templates/x.yaml", "../../app/real/x.yaml");
    let answer = world.apply();
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    assert_eq!(answer.stdout.matches("kind: Within").count(), 2);
}
