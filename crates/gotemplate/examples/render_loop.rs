//! Measures the evaluator: `cargo run --release -p gotemplate --example render_loop`.
//!
//! Prints, per template, the time of one rendering and of one step (a node, command or iteration).
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use gotemplate::{CallError, Context, Functions, Limits, Renderer, Rest, Str, TemplateSet, Value};

const TEMPLATES: [(&str, &str); 8] = [
    (
        "text and fields",
        "{{range .items}}name: {{.name}} port: {{.spec.port}}\n{{end}}",
    ),
    (
        "root fields",
        "{{range .items}}{{$.values.image.repository}}:{{$.values.image.tag}}\n{{end}}",
    ),
    (
        "conditions",
        "{{range .items}}{{if and .enabled (or .spec.tls (eq .name \"name-7\"))}}yes{{else}}no{{end}}{{end}}",
    ),
    (
        "variables",
        "{{range $i, $e := .items}}{{$n := $e.name}}{{if $i}}, {{end}}{{$n}}{{end}}",
    ),
    (
        "pipelines",
        "{{range .items}}{{.name | upper | quote}}{{end}}",
    ),
    (
        "printf",
        "{{range .items}}{{printf \"%s-%d-%v\" .name 5 .spec.port}}{{end}}",
    ),
    (
        "include",
        "{{range .items}}{{include \"labels\" . | indent}}{{end}}",
    ),
    (
        "maps",
        "{{range .items}}{{range $k, $v := .labels}}{{$k}}: {{$v}}\n{{end}}{{end}}",
    ),
];
const LABELS: &str = "{{define \"labels\"}}app: {{.name}}\ntier: {{.spec.port}}\n{{end}}";
const RUN: Duration = Duration::from_millis(300);

fn main() {
    let set = Arc::new(TemplateSet::new(functions()));
    let data = data(1_000);
    for (title, text) in TEMPLATES {
        let mut own = set.child();
        own.parse("labels file", LABELS).unwrap();
        own.parse("x", text).unwrap();
        let own = Arc::new(own);
        let (start, mut n, mut steps, mut bytes) = (Instant::now(), 0_u32, 0, 0);
        while start.elapsed() < RUN {
            let mut renderer = Renderer::new(Limits::PRODUCTION, ());
            bytes = renderer.execute(&own, "x", &data).unwrap().len();
            steps = renderer.steps();
            n += 1;
        }
        let each = start.elapsed() / n;
        let per_step = each.as_nanos() as f64 / steps as f64;
        println!(
            "{title:16} {each:>10.1?}  {steps:>6} steps  {per_step:>5.0} ns/step  {bytes:>7} bytes"
        );
    }
    let text = TEMPLATES.map(|(_, text)| text).concat().repeat(100);
    let start = Instant::now();
    TemplateSet::new(functions()).parse("x", &text).unwrap();
    println!("parsing {} bytes {:>10.1?}", text.len(), start.elapsed());
}

fn functions() -> Arc<Functions> {
    let mut functions = Functions::new();
    functions
        .add("upper", |text: Str| text.to_ascii_uppercase())
        .add(
            "quote",
            |items: Rest<Value>| -> Result<Vec<u8>, CallError> {
                Ok(gotemplate::gofmt::sprintf(b"%q", &items.0)?)
            },
        )
        .add("indent", |text: Str| [b"    ", text.as_bytes()].concat())
        .add_with_context(
            "include",
            |ctx: &mut Context<'_>, name: Str, data: Value| {
                ctx.execute(&name.to_str_lossy(), &data)
                    .map_err(CallError::from)
            },
        );
    Arc::new(functions)
}

fn data(n_items: usize) -> Value {
    let items = (0..n_items).map(|n| {
        serde_json::json!({
            "name": format!("name-{n}"), "enabled": n % 2 == 0,
            "spec": {"port": 8000 + n, "tls": n % 3 == 0},
            "labels": {"app": "web", "tier": "front", "release": "r1", "chart": "c"},
        })
    });
    let items: Vec<_> = items.collect();
    let image = serde_json::json!({"image": {"repository": "registry/app", "tag": "1.2.3"}});
    Value::from_json(&serde_json::json!({"items": items, "values": image}))
}
