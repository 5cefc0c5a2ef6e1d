//! Nothing a chart or a user writes makes a reader panic: readers against arbitrary texts.

use proptest::prelude::*;
use serde_json::Map;

use crate::{glob, manifest, strvals, values};

/// Texts made of what the readers treat specially, and of anything.
fn text() -> impl Strategy<Value = String> {
    let special = "[-a-z0-9A-Z.,:;=<>~^*+?|!@#$%&/'\"`(){}\\[\\]\\\\ \\t\\n_]{0,40}";
    prop_oneof![special, any::<String>()]
}

proptest! {
    #[test]
    fn patterns_are_read_or_refused(pattern in text(), subject in text()) {
        if let Ok(glob) = glob::Glob::new(&pattern) {
            glob.matches(&subject);
        }
    }

    #[test]
    fn value_flags_are_read_or_refused(line in text()) {
        let _ = strvals::set(&line, &mut Map::new());
        let _ = strvals::set_string(&line, &mut Map::new());
        let _ = strvals::set_json(&line, &mut Map::new());
        let _ = strvals::set_literal(&line, &mut Map::new());
        let _ = values::load(line.as_bytes());
        manifest::split(&line);
    }
}
