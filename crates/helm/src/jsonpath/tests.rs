//! Templates with what client-go makes of them, recorded by `tools/oracle/jsonpath`.

use super::*;

const RECORDED: &str = include_str!("../../tests/data/jsonpath.json");

#[derive(serde::Deserialize)]
struct Case {
    template: String,
    values: Value,
    #[serde(default)]
    want: String,
    error: Option<String>,
}

#[test]
fn templates_give_what_client_go_gives() {
    let cases: Vec<Case> = serde_json::from_str(RECORDED).unwrap();
    assert!(cases.len() > 300);
    for mut case in cases {
        goyaml::numbers_as_float64(&mut case.values);
        let got = Template::parse(&case.template)
            .map(|template| String::from_utf8_lossy(&template.execute(&case.values)).into_owned())
            .map_err(|error| error.to_string());
        let want = case.error.map_or(Ok(case.want), Err);
        assert_eq!(got, want, "{} in {}", case.template, case.values);
    }
}

#[test]
fn a_template_that_finds_too_much_gives_nothing() {
    let values = serde_json::json!({"a": vec![vec![0]; 10_000]});
    let template = Template::parse(&format!("{{range .a[*]}}{}{{end}}", "{..}".repeat(200)));
    assert_eq!(template.unwrap().execute(&values), b"");
    let union = format!("{{.a[{}*]}}", "*,".repeat(20_000));
    assert_eq!(Template::parse(&union).unwrap().execute(&values), b"");
}
