//! Templates that would not end, or end in a deep stack, end in a clear error; any text at all is handled.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use gotemplate::{
    CallError, Context, ExecError, Functions, LimitError, Limits, List, Map, Renderer, Rest, Str,
    TemplateSet, Value,
};
use proptest::prelude::*;

fn functions() -> Arc<Functions> {
    let mut functions = Functions::new();
    functions
        .add("list", |items: Rest<Value>| items.0)
        .add(
            "set",
            |map: Map, key: Str, value: Value| -> Result<Map, CallError> {
                map.insert(key, value)?;
                Ok(map)
            },
        )
        .add("dict", Map::new)
        .add_with_context(
            "include",
            |ctx: &mut Context<'_>, name: Str, data: Value| {
                ctx.execute(&name.to_str_lossy(), &data)
                    .map_err(CallError::from)
            },
        );
    Arc::new(functions)
}

fn render(text: &str, limits: Limits) -> Result<Str, Box<ExecError>> {
    let mut set = TemplateSet::new(functions());
    set.parse("x", text).unwrap();
    let data = Value::Map(Map::from_iter([("n", Value::int(7))]));
    Renderer::new(limits, ()).execute(&Arc::new(set), "x", &data)
}

#[test]
fn each_limit_ends_what_would_not_end() {
    let steps = LimitError::Steps {
        max: Limits::TINY.steps_max,
    };
    let output = LimitError::OutputBytes {
        max: Limits::TINY.output_bytes_max,
    };
    let depth = LimitError::Depth {
        max: Limits::TINY.depth_max,
    };
    let nested = LimitError::Depth {
        max: Limits::TINY.nested_max,
    };
    for (text, limit) in [
        ("{{range 1000000000}}{{end}}", &steps),
        ("{{range 1000}}{{range 1000}}{{end}}{{end}}", &steps),
        (
            "{{range 100}}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{{end}}",
            &output,
        ),
        ("{{printf \"%9999d\" 1}}", &output),
        (
            "{{$x := \"ab\"}}{{range 40}}{{$x = print $x $x}}{{end}}",
            &output,
        ),
        (
            "{{$x := printf \"%1500d\" 1}}{{$y := printf \"%1500d\" 1}}",
            &output,
        ),
        (
            "{{define \"y\"}}{{template \"y\"}}{{end}}{{template \"y\"}}",
            &depth,
        ),
        (
            "{{define \"y\"}}{{include \"y\" .}}{{end}}{{include \"y\" .}}",
            &nested,
        ),
        ("{{template \"x\"}}", &depth),
    ] {
        let error = render(text, Limits::TINY).unwrap_err();
        assert_eq!(error.limit(), Some(limit), "{text}: {error}");
        assert!(error.to_string().ends_with(&limit.to_string()), "{error}");
    }
}

#[test]
fn recursion_up_to_the_production_limit_fits_the_stack_of_a_thread() {
    let render_on_thread = |text: &'static str| {
        let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let render =
            move || render(text, Limits::PRODUCTION).map_err(|error| error.limit().cloned());
        thread
            .spawn(move || render().map(|out| out.len()))
            .unwrap()
            .join()
            .unwrap()
    };
    for (text, max) in [
        (
            "{{define \"y\"}}{{if true}}{{with 1}}{{template \"y\" .}}{{end}}{{end}}{{end}}{{template \"y\"}}",
            Limits::PRODUCTION.depth_max,
        ),
        (
            "{{define \"y\"}}{{(include \"y\" .)}}{{end}}{{include \"y\" .}}",
            Limits::PRODUCTION.nested_max,
        ),
    ] {
        assert_eq!(render_on_thread(text), Err(Some(LimitError::Depth { max })));
    }
}

#[test]
fn a_value_that_contains_itself_is_refused_by_printing() {
    for text in [
        "{{$d := dict}}{{$_ := set $d \"self\" $d}}{{$d}}",
        "{{$d := dict}}{{$_ := set $d \"self\" (list $d)}}{{printf \"%v\" $d}}",
        "{{$d := dict}}{{$_ := set $d \"a\" $d}}{{$_ := set $d \"b\" $d}}{{print $d}}",
    ] {
        let error = render(text, Limits::PRODUCTION).unwrap_err();
        assert!(
            matches!(error.limit(), Some(LimitError::Nesting { .. })),
            "{error}"
        );
    }
}

#[test]
fn deep_values_are_printed_compared_and_dropped_without_a_deep_stack() {
    let nested = |levels| (0..levels).fold(Value::Nil, |inner, _| Value::list(vec![inner]));
    assert!(nested(100_000).deep_equal(&nested(100_000)));
    assert!(!nested(100_000).deep_equal(&nested(100_001)));
    assert!(gotemplate::gofmt::sprint(&[nested(9_000)]).is_ok());
    assert!(gotemplate::gofmt::sprint(&[nested(100_000)]).is_err());
    assert!(nested(100_000).to_json().is_err());
}

#[test]
fn texts_that_nest_too_deep_are_refused() {
    let functions = functions();
    for (text, message) in [
        (
            "{{".to_owned() + &"(".repeat(100_000),
            "max expression depth exceeded",
        ),
        (
            "{{if true}}".repeat(100_000),
            "control structures nest deeper than 1000",
        ),
        (
            "{{range .x}}".repeat(100_000),
            "control structures nest deeper than 1000",
        ),
        (
            "{{if 1}}".to_owned() + &"{{else if 2}}".repeat(100_000),
            "control structures nest deeper than 1000",
        ),
        (
            "{{block \"a\" .}}".repeat(100_000),
            "control structures nest deeper than 1000",
        ),
    ] {
        let error = TemplateSet::new(Arc::clone(&functions))
            .parse("x", text)
            .unwrap_err();
        assert_eq!(error.message, message);
    }
    let deep = "{{if true}}".repeat(900) + "x" + &"{{end}}".repeat(900);
    assert_eq!(render(&deep, Limits::PRODUCTION).unwrap(), "x");
    let chain = "{{if false}}".to_owned() + &"{{else if false}}".repeat(900) + "{{else}}y{{end}}";
    assert_eq!(render(&chain, Limits::PRODUCTION).unwrap(), "y");
}

#[test]
fn a_rendering_goes_on_after_an_error() {
    let mut set = TemplateSet::new(functions());
    set.parse(
        "bad",
        "{{define \"y\"}}{{template \"bad\"}}{{end}}{{template \"y\"}}",
    )
    .unwrap();
    set.parse(
        "good",
        "{{template \"part\" .n}}{{define \"part\"}}<{{.}}>{{end}}",
    )
    .unwrap();
    let set = Arc::new(set);
    let mut renderer = Renderer::new(
        Limits {
            steps_max: 10_000,
            ..Limits::TINY
        },
        (),
    );
    let data = Value::Map(Map::from_iter([("n", Value::int(7))]));
    for _ in 0..5 {
        assert!(renderer.execute(&set, "bad", &data).is_err());
        assert_eq!(renderer.execute(&set, "good", &data).unwrap(), "<7>");
    }
}

#[test]
fn threads_share_a_parsed_set() {
    let mut set = TemplateSet::new(functions());
    set.parse("x", "{{range .}}{{.}}{{end}}").unwrap();
    let set = Arc::new(set);
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let set = Arc::clone(&set);
            std::thread::spawn(move || {
                let data = Value::List(List::new(vec![Value::int(n); 3]));
                Renderer::new(Limits::TINY, ())
                    .execute(&set, "x", &data)
                    .unwrap()
                    .to_string()
            })
        })
        .collect();
    let outputs: Vec<String> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(outputs, ["000", "111", "222", "333"]);
}

#[test]
fn a_child_set_sees_its_parent_and_leaves_it_alone() {
    let mut parent = TemplateSet::new(functions());
    parent.parse("a", "A").unwrap();
    parent.parse("b", "B").unwrap();
    let parent = Arc::new(parent);
    let mut child = parent.child();
    child.parse("b", "{{template \"a\"}}new").unwrap();
    child
        .parse("a", " {{/* blank: does not replace */}} ")
        .unwrap();
    let names: Vec<&str> = child
        .templates()
        .iter()
        .map(|template| template.name())
        .collect();
    assert_eq!(names, ["a", "b"]);
    let mut renderer = Renderer::new(Limits::TINY, ());
    assert_eq!(
        renderer
            .execute(&Arc::new(child), "b", &Value::Nil)
            .unwrap(),
        "Anew"
    );
    assert_eq!(renderer.execute(&parent, "b", &Value::Nil).unwrap(), "B");
}

#[test]
fn calls_of_a_function_are_found_in_every_corner_of_a_template() {
    let mut set = TemplateSet::new(functions());
    for (text, found) in [
        ("{{list}}", true),
        (
            "{{if false}}{{range .x}}{{else}}{{with (list | print).y}}{{end}}{{end}}{{end}}",
            true,
        ),
        ("{{template \"x\" (print (list 1))}}", true),
        ("{{$x := list}}", true),
        ("{{.list}} list {{\"list\"}} {{/* list */}}", false),
    ] {
        assert_eq!(
            set.parse("x", text).unwrap().calls_function("list"),
            found,
            "{text}"
        );
    }
}

/// Fragments that make most texts half-way valid.
fn fragments() -> impl Strategy<Value = String> {
    let pieces = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "\n",
        "|",
        "(",
        ")",
        ".",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        "if",
        "else",
        "end",
        "range",
        "with",
        "define",
        "template",
        "block",
        "break",
        "continue",
        "nil",
        "true",
        "print",
        "list",
        "\"a\"",
        "`r`",
        "'c'",
        "1",
        "0x",
        "1.5e",
        "2i",
        ".a",
        ".b.c",
        "/*",
        "*/",
        "text",
        "é",
        "\\",
        "{{end}}",
        "{{if .n}}",
        "{{range .n}}",
        "{{.n}}",
        "printf \"%v\"",
        "eq 1",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = TemplateSet::new(functions()).parse("x", text);
    }

    #[test]
    fn what_parses_executes_and_prints_stably(text in fragments()) {
        let mut set = TemplateSet::new(functions());
        let Ok(template) = set.parse("x", &text) else { return Ok(()) };
        let printed = template.to_string();
        if let Ok(again) = TemplateSet::new(functions()).parse("x", &printed) {
            prop_assert_eq!(again.to_string(), printed);
        }
        let data = Value::Map(Map::from_iter([("n", Value::int(2))]));
        let _ = Renderer::new(Limits::TINY, ()).execute(&Arc::new(set), "x", &data);
    }

    #[test]
    fn any_format_prints(format in prop::collection::vec(any::<u8>(), 0..20), width in "[-+# 0]{0,3}[0-9]{0,5}[.]?[0-9]{0,5}[a-zA-Z%]", number: f64, int: i64) {
        let args = [Value::Float(number), Value::int(int), Value::Str(format.as_slice().into()), Value::Nil];
        prop_assert!(gotemplate::gofmt::sprintf(&format, &args).is_ok());
        for arg in &args {
            let format = format!("%{width}");
            prop_assert!(gotemplate::gofmt::sprintf(format.as_bytes(), std::slice::from_ref(arg)).is_ok());
        }
    }

    #[test]
    fn shortest_floats_read_back(number: f64) {
        let mut text = Vec::new();
        gotemplate::strconv::append_float(&mut text, number, b'g', None);
        let back = gotemplate::strconv::parse_float(&text).unwrap();
        prop_assert!(back.to_bits() == number.to_bits() || number.is_nan() && back.is_nan());
    }
}

#[test]
fn many_texts_are_parsed_as_one_after_the_other() {
    let filler = "{{/* long */}} {{ . }}".repeat(1_000);
    let text = |index: usize, broken: bool| {
        let end = if broken { "{{ end }}" } else { "" };
        format!("{{{{define \"shared\"}}}}{index}{{{{end}}}}{filler}{end}")
    };
    for broken in [vec![], vec![1], vec![17], vec![3, 18], vec![19]] {
        let names: Vec<String> = (0..20).map(|index| format!("t{index}")).collect();
        let texts: Vec<(&str, gotemplate::Str)> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), text(index, broken.contains(&index)).into()))
            .collect();
        let mut together = TemplateSet::new(functions());
        let outcome = together.parse_all(&texts);
        let mut one_by_one = TemplateSet::new(functions());
        let wanted = texts
            .iter()
            .enumerate()
            .try_for_each(|(index, (name, text))| {
                let parsed = one_by_one.parse(name, text.clone());
                parsed.map(drop).map_err(|error| (index, error))
            });
        let shown = |outcome: Result<(), (usize, Box<gotemplate::ParseError>)>| {
            outcome.map_err(|(index, error)| (index, error.to_string()))
        };
        assert_eq!(shown(outcome), shown(wanted), "{broken:?}");
        let all = |set: &TemplateSet| -> Vec<String> {
            set.templates().iter().map(ToString::to_string).collect()
        };
        assert_eq!(all(&together), all(&one_by_one), "{broken:?}");
    }
}
