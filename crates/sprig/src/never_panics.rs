//! Nothing a chart or a user writes makes a reader panic: readers against arbitrary texts.

use std::sync::Arc;

use gotemplate::{Functions, Limits, Renderer, Str, TemplateSet};
use proptest::prelude::*;

use crate::{gopath, goregex, gotime, semver};

/// Templates without functions, for a context to charge.
fn set() -> Arc<TemplateSet> {
    Arc::new(TemplateSet::new(Arc::new(Functions::new())))
}

/// Texts made of what the readers treat specially, and of anything.
fn text() -> impl Strategy<Value = String> {
    let special = "[-a-z0-9A-Z.,:;=<>~^*+?|!@#$%&/'\"`(){}\\[\\]\\\\ \\t\\n_]{0,40}";
    prop_oneof![special, any::<String>()]
}

proptest! {
    #[test]
    fn patterns_and_paths_are_read_or_refused(pattern in text(), subject in text()) {
        if let Ok(regex) = goregex::compile(&Str::from(&pattern)) {
            let _ = regex.matches(&mut Renderer::new(Limits::PRODUCTION, ()).context(&set()), subject.as_bytes(), 9);
        }
        let _ = gopath::matches(&pattern, &subject);
        gopath::clean_str(&pattern);
        prop_assert_eq!(gopath::clean_str(&gopath::clean_str(&subject)), gopath::clean_str(&subject));
    }

    #[test]
    fn quoted_patterns_match_themselves(text in any::<String>()) {
        let quoted = String::from_utf8(goregex::quote_meta(text.as_bytes())).expect("still text");
        let regex = goregex::compile(&Str::from(&quoted)).expect("compiles");
        let found = regex.matches(&mut Renderer::new(Limits::PRODUCTION, ()).context(&set()), text.as_bytes(), 1);
        let places = found.unwrap_or_default();
        prop_assert!(places.len() == 1 && places[0] == (0..text.len()));
    }

    #[test]
    fn versions_and_constraints_are_read_or_refused(constraint in text(), version in text()) {
        semver::is_compatible_range(&constraint, &version);
        if let Ok(version) = semver::Version::parse(&version) {
            prop_assert!(version.compare(&version).is_eq());
        }
    }

    #[test]
    fn times_are_read_or_refused(layout in text(), value in text(), nanoseconds in any::<i64>()) {
        if let Ok(moment) = gotime::parse(&layout, &value) {
            moment.format(&layout);
        }
        let _ = gotime::parse_duration(&value);
        let text = gotime::duration_text(nanoseconds);
        prop_assert_eq!(gotime::parse_duration(&text), Ok(nanoseconds));
    }

    #[test]
    fn json_is_read_or_refused(text in text()) {
        let ours = crate::json::parse(text.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", text);
    }
}
