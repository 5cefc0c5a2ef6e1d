//! Patterns against what Go makes of them.

use std::sync::Arc;

use gotemplate::{Functions, Limits, Renderer, TemplateSet};

use super::*;

/// With a context to charge.
fn charged<T>(call: impl FnOnce(&mut Context<'_>) -> Result<T, CallError>) -> T {
    let set = Arc::new(TemplateSet::new(Arc::new(Functions::new())));
    let mut renderer = Renderer::new(Limits::PRODUCTION, ());
    call(&mut renderer.context(&set)).expect("within the limits")
}

fn first(pattern: &str, text: &str) -> Option<String> {
    let regex = compile(&Str::from(pattern)).expect(pattern);
    let found = charged(|ctx| regex.matches(ctx, text.as_bytes(), 1));
    let found = found.into_iter().next()?;
    Some(text[found].to_owned())
}

#[test]
fn patterns_mean_what_they_mean_in_go() {
    for (pattern, text, want) in [
        (r"\d+", "\u{661}12", Some("12")),
        (r"\w+", "h\u{e9}llo", Some("h")),
        (r"[a&&b]", "&", Some("&")),
        (r"[+--]+", "b,-", Some(",-")),
        (r"\Qa.b\E+", "a.bb", Some("a.bb")),
        (r"a{,2}", "a{,2}", Some("a{,2}")),
        (r"x{2,}", "xxx", Some("xxx")),
        (r"(x{100}){0,10}(y{9}){100}", "xxx", None),
        (r"(x{9}{){100}", "xxx", None),
        (r"[]a]+", "a]b", Some("a]")),
        (r"[^]a]", "]b", Some("b")),
        (r"\x41\x{42}\103", "ABC", Some("ABC")),
        (r"(?i)straSSE", "STRASSE", Some("STRASSE")),
        (r"[[:alpha:]\d]+", "ab1-", Some("ab1")),
        (r"[[:]a]@", ":a]@", Some(":a]@")),
        (r"[[:x]+", "[:x", Some("[:x")),
        (r"\<b", "<b", Some("<b")),
        (r"(?P<1a>x)", "x", Some("x")),
        (r"\p{Greek}\P{^Lu}", "\u{3b1}A", Some("\u{3b1}A")),
        ("", "abc", Some("")),
    ] {
        assert_eq!(
            first(pattern, text).as_deref(),
            want,
            "{pattern:?} on {text:?}"
        );
    }
}

#[test]
fn bad_patterns_are_refused_in_the_words_of_go() {
    for (pattern, want) in [
        ("a(", "missing closing ): `a(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("(|*)", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a+??", "invalid nested repetition operator: `+??`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("(a{1000}){1000}", "invalid repeat count: `{1000}`"),
        ("(a{100}b{3}){11}", "invalid repeat count: `{11}`"),
        ("((a{10}){10,}|c){11}", "invalid repeat count: `{11}`"),
        (
            "((((a*){10}){10,}|c){10}){1,2}?",
            "invalid repeat count: `{1,2}?`",
        ),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
        (r"\p{Nope}", r"invalid character class range: `\p{Nope}`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"a\", "trailing backslash at end of expression: ``"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?P<n!>a)", "invalid named capture: `(?P<n!>`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
    ] {
        let got = compile(&Str::from(pattern)).err().map(|e| e.to_string());
        assert_eq!(
            got,
            Some(format!("error parsing regexp: {want}")),
            "{pattern:?}"
        );
    }
}

#[test]
fn empty_matches_do_not_cut_characters() {
    let regex = compile(&Str::from("x*")).expect("compiles");
    let out =
        charged(|ctx| regex.replace_all(ctx, "h\u{e9}x".as_bytes(), &Replacement::literal(b"-")));
    assert_eq!(String::from_utf8(out).expect("text"), "-h-\u{e9}-");
}

#[test]
fn replacements_name_groups_as_in_go() {
    let regex = compile(&Str::from("(?P<n>a)|(?P<n>b)(?P<1x>c)?")).expect("compiles");
    for (template, want) in [
        ("[$n]", "[a][b]"),
        ("[${1}]", "[a][]"),
        ("[$1x]", "[][c]"),
        ("[${1x]", "[${1x][${1x]"),
        ("$$$", "$$$$"),
        ("$01$9", ""),
    ] {
        let out = charged(|ctx| {
            regex.replace_all(ctx, b"abc", &Replacement::template(template.as_bytes()))
        });
        assert_eq!(String::from_utf8(out).expect("text"), want, "{template:?}");
    }
}

#[test]
fn bytes_that_are_no_text_match_as_the_replacement_character() {
    let regex = compile(&Str::from("[^a]")).expect("compiles");
    let found = charged(|ctx| regex.matches(ctx, b"a\xff\xfea", 9));
    assert_eq!(found, [1..2, 2..3]);
    assert!(regex.is_match(b"\xff"));
}
