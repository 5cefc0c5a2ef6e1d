//! Parts of paths.
//!
//! In: texts. Out: texts. The `os...` names are the same functions: this runs for Unix only. Source:
//! Go `path`, `path/filepath`.

use gotemplate::{Functions, Str};

use crate::gopath;

pub(super) fn add(functions: &mut Functions) {
    for prefix in ["", "os"] {
        let name = |plain: &str| {
            if prefix.is_empty() {
                return plain.to_owned();
            }
            let (first, rest) = plain.split_at(1);
            format!("{prefix}{}{rest}", first.to_uppercase())
        };
        functions
            .add(&name("base"), |path: Str| Str::from(gopath::base(&path)))
            .add(&name("dir"), |path: Str| gopath::dir(&path))
            .add(&name("clean"), |path: Str| gopath::clean(&path))
            .add(&name("ext"), |path: Str| Str::from(gopath::ext(&path)))
            .add(&name("isAbs"), |path: Str| path.starts_with(b"/"));
    }
}
