//! The whole road once: text to value to text.

#[test]
fn a_chart_like_document_survives_the_round_trip() {
    let text = "a: 1\nb:\n- x: yes\n  y: |\n    one\n    two\n- 0777\nc: {d: [1.5, null, \"q\"]}\n";
    let value = goyaml::parse(text.as_bytes()).unwrap();
    assert_eq!(
        goyaml::to_yaml(&value).unwrap(),
        "a: 1\nb:\n- \"true\": |\n    one\n    two\n  x: true\n- 511\nc:\n  d:\n  - 1.5\n  - null\n  - q\n"
    );
}
