//! Charts made to hurt: each ends in a clear error, soon, or does no harm; never in a panic.
//!
//! Time and memory of each are measured by hand with the release build; here it counts that the error is the
//! right one and that it comes.

#![expect(
    clippy::expect_used,
    reason = "an answer of the wrong kind fails the test"
)]

use std::sync::Arc;

use helm::{Chart, CompiledChart, Host, Limits, RenderLimits, RenderOptions, SystemRandom, render};
use jiff::Timestamp;

const CHART: &str = "apiVersion: v2\nname: a\nversion: 0.1.0";

fn chart(files: &[(&str, &str)]) -> Chart {
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .chain([("Chart.yaml".to_owned(), CHART.into())])
        .collect();
    Chart::from_files(files, &Limits::default()).expect("the chart loads")
}

/// A part of the usual limits, because tests are slow.
const LIMITS: RenderLimits = RenderLimits {
    steps_max: 3_000_000,
    output_bytes_max: 128 << 20,
    values_bytes_max: 64 << 20,
    ..RenderLimits::PRODUCTION
};

/// What a template of that text gives: its output, or the last words of the error.
fn outcome(text: &str) -> Result<String, String> {
    let chart = CompiledChart::new(chart(&[("templates/NOTES.txt", text)]));
    let host = Host::new(Timestamp::UNIX_EPOCH, Box::new(SystemRandom));
    let options = RenderOptions {
        limits: LIMITS,
        ..RenderOptions::default()
    };
    match render(&chart, &options, host) {
        Ok(rendered) => Ok(rendered.notes),
        Err(failure) => {
            let text = failure.to_string();
            let line = text.lines().last().unwrap_or_default();
            Err(line.to_owned())
        }
    }
}

/// The texts end in these words.
fn refused(cases: &[(&str, &str)]) {
    for (text, words) in cases {
        let error = outcome(text).expect_err(text);
        assert!(error.ends_with(words), "{text}\n{error}\n{words}");
    }
}

const STEPS: &str = "template needs more than 3000000 steps";
const BYTES: &str = "template writes more than 134217728 bytes";
const TEXT: &str = "text is longer than 33554432 bytes";
const NESTED: &str = "value nests deeper than 10000 levels";
const HELD: &str = "template holds more than 67108864 bytes in lists and maps";

#[test]
fn toml_is_not_read_for_ever() {
    for (document, want) in [
        (
            "(repeat 500000 `[` | printf `a=%s`)",
            "values are nested deeper than 1000 levels",
        ),
        (
            "(repeat 500000 `{a=` | printf `a=%s`)",
            "values are nested deeper than 1000 levels",
        ),
    ] {
        let call = format!("{{{{ (fromToml {document}).Error }}}}");
        let error = outcome(&call).expect(document);
        assert!(error.ends_with(want), "{document}: {}", error.len());
    }
    // Keys that repeat long ways are charged for.
    refused(&[
        ("{{ fromToml (repeat 4000 `a.` | printf `%sa=1`) }}", STEPS),
        (
            "{{ fromToml (repeat 500000 `a.` | printf `[%sa]`) }}",
            STEPS,
        ),
    ]);
}

#[test]
fn aliases_in_aliases_end() {
    let about = |name: &str| {
        let dependency = |alias: &str| format!("{{name: c, version: 1.x, alias: {alias}}}");
        let both = format!("[{}, {}]", dependency("d"), dependency("e"));
        format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\ndependencies: {both}\n")
    };
    let mut files = vec![("Chart.yaml".to_owned(), about("a").into_bytes())];
    for depth in 1..=30 {
        let place = "charts/c/".repeat(depth);
        files.push((format!("{place}Chart.yaml"), about("c").into_bytes()));
    }
    let chart = Chart::from_files(files, &Limits::default()).expect("the chart loads");
    let host = Host::new(Timestamp::UNIX_EPOCH, Box::new(SystemRandom));
    let result = render(&CompiledChart::new(chart), &RenderOptions::default(), host);
    let error = result.expect_err("too many charts").to_string();
    let want = "chart dependencies processing failed: aliases make more than 5000 charts";
    assert_eq!(error, want);
}

#[test]
fn recursion_ends() {
    refused(&[
        (
            "{{ define `x` }}{{ template `x` . }}{{ end }}{{ template `x` . }}",
            "exceeded maximum template depth (10000)",
        ),
        (
            "{{ define `x` }}{{ include `x` . }}{{ end }}{{ include `x` . }}",
            "rendering template has a nested reference name: x: unable to execute template",
        ),
        (
            "{{ define `x` }}{{ include `y` . }}{{ end }}{{ define `y` }}{{ include `x` . }}{{ end }}{{ include `x` . }}",
            "rendering template has a nested reference name: x: unable to execute template",
        ),
        (
            "{{ define `x` }}{{ tpl `{{ include \"x\" . }}` . }}{{ end }}{{ include `x` . }}",
            "rendering template has a nested reference name: x: unable to execute template",
        ),
        (
            "{{ $_ := set . `t` `{{ tpl .t . }}` }}{{ tpl .t . }}",
            "exceeded maximum template depth (3000)",
        ),
        // Each text is twice as long as the one that runs it.
        (
            "{{ $_ := set . `t` `{{ $_ := set . \"t\" (print .t .t) }}{{ tpl .t . }}` }}{{ tpl .t . }}",
            "templates have more than 2000000 tokens",
        ),
        (
            "{{ template `a/templates/NOTES.txt` . }}",
            "exceeded maximum template depth (10000)",
        ),
    ]);
}

#[test]
fn loops_end() {
    refused(&[
        ("{{ range 1000000000000 }}{{ end }}", STEPS),
        (
            "{{ range until 100000 }}{{ $_ := $.Files.Glob (repeat 1000 `{a,b*`) }}{{ end }}",
            STEPS,
        ),
        (
            "{{ range until 10000 }}{{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}{{ end }}",
            STEPS,
        ),
        ("{{ range until 1000000000 }}{{ end }}", STEPS),
        (
            "{{ range untilStep 0 9223372036854775807 1 }}{{ end }}",
            STEPS,
        ),
        ("{{ seq 1 1 1000000000 }}", STEPS),
        ("{{ seq 9223372036854775807 }}", STEPS),
        (
            "{{ range (splitList ` ` (seq 1000000)) }}{{ range $.Values }}{{ end }}{{ sha256sum (repeat 20000000 `x`) }}{{ end }}",
            BYTES,
        ),
        (
            "{{ $s := repeat 30000000 `x` }}{{ range until 1000000 }}{{ $_ := sha256sum $s }}{{ end }}",
            STEPS,
        ),
        (
            "{{ $s := repeat 30000000 `x` }}{{ range until 1000000 }}{{ if contains `y` $s }}{{ end }}{{ end }}",
            STEPS,
        ),
        (
            "{{ $l := until 1000000 }}{{ range until 1000000 }}{{ $_ := has -1 $l }}{{ end }}",
            STEPS,
        ),
    ]);
}

#[test]
fn texts_do_not_grow_without_end() {
    refused(&[
        ("{{ repeat 1000000000 `x` }}", TEXT),
        ("{{ repeat 9223372036854775807 `xx` }}", TEXT),
        ("{{ repeat -1 `x` }}", "strings: negative Repeat count"),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = repeat 2 $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := repeat 8000000 `xx` }}{{ range until 50 }}{{ $s = b64enc $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = print $s $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = printf `%s%s` $s $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = cat $s $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = quote $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = toJson (list $s $s) }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = join $s (list $s $s) }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = replace `x` $s $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = replace `` $s $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = wrapWith 1 $s $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := `xx` }}{{ range until 40 }}{{ $s = regexReplaceAll `x` $s $s }}{{ end }}",
            TEXT,
        ),
        (
            "{{ $s := repeat 1000000 `x` }}{{ regexReplaceAll `x+` $s (repeat 1000000 `$0`) }}",
            TEXT,
        ),
        (
            "{{ $s := repeat 1000000 `x` }}{{ regexReplaceAllLiteral `x` $s $s }}",
            TEXT,
        ),
    ]);
}

#[test]
fn texts_of_one_call_are_bounded() {
    refused(&[
        ("{{ indent 1000000000 `x` }}", TEXT),
        ("{{ nindent 9223372036854775807 `x\ny` }}", TEXT),
        ("{{ indent 1000 (repeat 1000000 `\n`) }}", TEXT),
        ("{{ randAlphaNum 1000000000 }}", TEXT),
        ("{{ randBytes 1000000000 }}", TEXT),
        ("{{ randAscii 9223372036854775807 }}", TEXT),
        (
            "{{ $l := list (repeat 100000 `x`) }}{{ range until 500 }}{{ $l = append $l (first $l) }}{{ end }}{{ join `` $l }}",
            TEXT,
        ),
        (
            "{{ $s := repeat 10000000 `x` }}{{ range until 1000 }}{{ $s }}{{ end }}",
            BYTES,
        ),
        (
            "{{ range until 1000 }}{{ $.Files.Get `big` }}{{ repeat 10000000 `x` }}{{ end }}",
            BYTES,
        ),
        (
            "{{ range until 1000 }}{{ printf `%1000000d` 1 }}{{ end }}",
            BYTES,
        ),
    ]);
    assert_eq!(
        outcome("{{ printf `%100000000d` 1 }}"),
        Ok("%!(NOVERB)%!(EXTRA int=1)".to_owned())
    );
    assert_eq!(
        outcome("{{ printf `%*d` 10000000 1 }}"),
        Ok("%!(BADWIDTH)1".to_owned())
    );
    assert_eq!(
        outcome("{{ len (printf `%.1000000f` 1.0) }}"),
        Ok("1000002".to_owned())
    );
}

#[test]
fn lists_and_maps_do_not_grow_without_end() {
    refused(&[
        (
            "{{ $l := list 1 }}{{ range until 40 }}{{ $l = concat $l $l }}{{ end }}",
            HELD,
        ),
        (
            "{{ $l := list 1 }}{{ range until 10000 }}{{ $l = append $l (until 1000) }}{{ end }}",
            HELD,
        ),
        (
            "{{ $d := dict }}{{ range until 1000 }}{{ $_ := set $d (toString .) (until 10000) }}{{ end }}",
            HELD,
        ),
        (
            "{{ $d := dict }}{{ range until 100000 }}{{ $d = dict `a` $d `b` (until 1000) }}{{ end }}",
            HELD,
        ),
        ("{{ splitList `` (repeat 30000000 `x`) }}", HELD),
        ("{{ split `,` (repeat 30000000 `,`) }}", HELD),
        ("{{ regexSplit `,` (repeat 9000000 `,`) -1 }}", STEPS),
        ("{{ regexFindAll `x` (repeat 30000000 `x`) -1 }}", STEPS),
        ("{{ $l := until 1000000 }}{{ chunk 1 $l }}", HELD),
        (
            "{{ mustFromJson (print `[` (repeat 10000000 `[],`) `1]`) }}",
            "text holds more than 2000000 values",
        ),
        (
            "{{ $l := list 1 }}{{ range until 40 }}{{ $l = list $l $l }}{{ end }}{{ $x := deepCopy $l }}",
            HELD,
        ),
    ]);
}

#[test]
fn values_that_share_their_parts_are_not_written_out_without_end() {
    let bomb = "{{ $l := list `x` }}{{ range until 40 }}{{ $l = list $l $l }}{{ end }}";
    let map = "{{ $m := dict `x` `y` }}{{ range until 40 }}{{ $m = dict `a` $m `b` $m }}{{ end }}";
    for (call, words) in [
        ("{{ toYaml $l }}", TEXT),
        ("{{ toJson $l }}", TEXT),
        ("{{ toToml (dict `a` $l) }}", TEXT),
        ("{{ $l }}", TEXT),
        ("{{ printf `%v` $l }}", TEXT),
        ("{{ quote $l }}", TEXT),
        ("{{ join `` $l }}", TEXT),
    ] {
        refused(&[(&(bomb.to_owned() + call), words)]);
    }
    for (call, words) in [
        ("{{ toYaml $m }}", TEXT),
        ("{{ toToml $m }}", TEXT),
        ("{{ $m }}", TEXT),
        ("{{ $_ := deepCopy $m }}", HELD),
        (
            "{{ $_ := merge (dict) $m }}{{ $_ := merge $m (deepCopy $m) }}",
            HELD,
        ),
        (
            "{{ $_ := mustMergeOverwrite (dict `a` 1) $m }}{{ toYaml $m }}",
            TEXT,
        ),
    ] {
        refused(&[(&(map.to_owned() + call), words)]);
    }
    let equal =
        bomb.to_owned() + &bomb.replace("$l", "$k") + "{{ deepEqual $l $k }}{{ has $l (list $k) }}";
    assert_eq!(outcome(&equal), Ok("truetrue".to_owned()));
}

#[test]
fn values_that_contain_themselves_are_refused_or_done_with() {
    let own = "{{ $d := dict `a` 1 }}{{ $_ := set $d `x` $d }}";
    let two = "{{ $d := dict `a` 1 }}{{ $_ := set $d `x` $d }}{{ $_ := set $d `y` $d }}";
    for (call, words) in [
        ("{{ $d }}", NESTED),
        ("{{ print $d }}", NESTED),
        ("{{ printf `%#v` $d }}", NESTED),
        ("{{ toString $d }}", NESTED),
        ("{{ quote $d }}", NESTED),
        (
            "{{ mustToJson $d }}",
            "json: unsupported value: encountered a cycle",
        ),
        (
            "{{ $_ := deepCopy $d }}",
            "values are nested deeper than 1000 levels",
        ),
        (
            "{{ $_ := merge (dict `x` (dict)) $d $d }}",
            "maps are nested deeper than 1000 levels",
        ),
        (
            "{{ $e := dict }}{{ $_ := set $e `x` $e }}{{ $_ := merge $e $d }}",
            "maps are nested deeper than 1000 levels",
        ),
        ("{{ $_ := set . `Values` . }}{{ toString . }}", NESTED),
    ] {
        refused(&[(&(own.to_owned() + call), words)]);
        refused(&[(&(two.to_owned() + call), words)]);
    }
    for (call, want) in [
        ("{{ toJson $d }}{{ toYaml $d }}", ""),
        ("{{ deepEqual $d $d }}", "true"),
        ("{{ has $d (list 1 $d) }}", "true"),
        ("{{ len (uniq (list $d $d)) }}", "1"),
        (
            "{{ len $d }}{{ range $k, $v := $d }}{{ $k }}{{ end }}",
            "2ax",
        ),
    ] {
        assert_eq!(
            outcome(&(own.to_owned() + call)),
            Ok(want.to_owned()),
            "{call}"
        );
    }
}

#[test]
fn slow_functions_are_counted() {
    for call in [
        "genPrivateKey `rsa`",
        "bcrypt `x`",
        "htpasswd `a` `b`",
        "derivePassword 1 `long` `a` `b` `c`",
        "genCA `a` 1",
    ] {
        let text = format!("{{{{ range until 1000 }}}}{{{{ $_ := {call} }}}}{{{{ end }}}}");
        refused(&[(&text, STEPS)]);
    }
}

#[test]
fn patterns_do_not_explode() {
    refused(&[
        (
            "{{ regexFind `(a{1000}){1000}` `a` }}",
            "error parsing regexp: invalid repeat count: `{1000}`",
        ),
        (
            "{{ regexReplaceAll `((((a{30}){30}){30}){30}){30}` `a` `` }}",
            "error parsing regexp: invalid repeat count: `{30}`",
        ),
        (
            "{{ regexFindAll `[01]*1[01]{500}$` (repeat 1000000 `01`) -1 }}",
            STEPS,
        ),
        (
            "{{ regexFindAll `.*[^A-Z]|[A-Z]` (repeat 1000000 `A`) -1 }}",
            STEPS,
        ),
        (
            "{{ range $i := until 100000 }}{{ $_ := regexMatch (printf `(a{1,900}){%d}` (add 1 (mod $i 90))) `aaa` }}{{ end }}",
            STEPS,
        ),
    ]);
    assert_eq!(
        outcome("{{ regexMatch `^(a+)+$` (print (repeat 100000 `a`) `b`) }}"),
        Ok("false".to_owned())
    );
    assert_eq!(
        outcome("{{ regexMatch `(x+x+)+y` (repeat 100000 `x`) }}"),
        Ok("false".to_owned())
    );
}

#[test]
fn giant_numbers_are_numbers_or_errors() {
    for (text, want) in [
        ("{{ mulf 1e308 1e308 }}", "+Inf"),
        ("{{ mulf `1e1000000` 2 }}", "0"),
        (
            "{{ int `99999999999999999999` }} {{ int64 1e300 }} {{ atoi `99999999999999999999` }}",
            "0 -9223372036854775808 9223372036854775807",
        ),
        (
            "{{ trunc 9223372036854775807 `ab` }}{{ trunc -9223372036854775808 `ab` }}",
            "abab",
        ),
        ("{{ substr 0 9223372036854775807 `ab` }}", "ab"),
        ("{{ toDecimal `777777777777777777777777` }}", "0"),
        (
            "{{ len (until 0) }}{{ len (untilStep -9223372036854775808 9223372036854775807 9223372036854775807) }}",
            "03",
        ),
        ("{{ round 1e300 400 }} {{ round 1.5 -400 }}", "NaN NaN"),
        (
            "{{ floor `1e400` }} {{ add 9223372036854775807 1 }} {{ div -9223372036854775808 -1 }}",
            "0 -9223372036854775808 -9223372036854775808",
        ),
        ("{{ len (chunk 9223372036854775807 (list 1)) }}", "1"),
        (
            "{{ durationRound 9223372036854775807 }}{{ duration 9223372036854775807 }}",
            "0s0s",
        ),
    ] {
        let got = outcome(text);
        assert_eq!(got.as_deref(), Ok(want), "{text}");
    }
    refused(&[
        (
            "{{ semver `99999999999999999999.1.1` }}",
            "strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
        ),
        (
            "{{ semverCompare `>=99999999999999999999` `1.0.0` }}",
            "constraint parser error",
        ),
        (
            "{{ index (list 1) 9223372036854775807 }}",
            "index out of range: 9223372036854775807",
        ),
    ]);
}

#[test]
fn texts_of_templates_that_nest_or_grow_too_deep_are_refused() {
    let deep = |open: &str, n: usize| outcome(&open.repeat(n)).expect_err("too deep");
    assert!(deep("{{ if true }}", 100_000).ends_with("control structures nest deeper than 1000"));
    assert!(
        outcome(&format!("{{{{ {} }}}}", "(".repeat(100_000)))
            .is_err_and(|error| error.ends_with("max expression depth exceeded"))
    );
    let pipes = format!("{{{{ 1 {} }}}}", "| add 1 ".repeat(100_000));
    assert_eq!(outcome(&pipes).as_deref(), Ok("100001"));
    let text = format!("{{{{ tpl (repeat 30000000 `{}`) . }}}}", "{");
    assert!(outcome(&text).is_err());
    let many = "{{.}}".repeat(1_000_000);
    assert_eq!(
        outcome(&many).expect_err("too many"),
        "parse error at (a/templates/NOTES.txt:1): templates have more than 2000000 tokens"
    );
}

/// A big chart shares its files with the render; the texts in errors are bounded too.
#[test]
fn errors_of_templates_within_templates_do_not_pile_up() {
    let comment = "x".repeat(20 << 10);
    let text = format!(
        "{{{{ define `x` }}}}{{{{ include `x` (dict `a` `{comment}`) }}}}{{{{ end }}}}{{{{ include `x` . }}}}"
    );
    let error = outcome(&text).expect_err("endless");
    assert!(error.len() < 100 << 20, "{} bytes", error.len());
    drop(Arc::new(error));
}
