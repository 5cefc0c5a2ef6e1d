//! Reports about refused values, and about schemas that are none, as recorded from Helm by
//! tools/oracle/schema.

use std::fs;
use std::path::Path;

use helm::Schema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Case<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    /// In place of the schema where it is no JSON.
    text: Option<String>,
    values: Value,
    /// What Helm says, in random order; empty for good values.
    texts: Vec<String>,
}

#[test]
fn reports_are_among_those_of_helm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schema");
    let (mut cases, mut refused) = (0, 0);
    for entry in fs::read_dir(folder).expect("the folder of the cases") {
        let path = entry.expect("an entry").path();
        let content = fs::read_to_string(&path).expect("a file of cases");
        for line in content.lines() {
            let case: Case<'_> = serde_json::from_str(line).expect("a case");
            let text = match (case.schema, &case.text) {
                (Some(schema), _) => schema.get(),
                (None, text) => text.as_deref().unwrap_or("null"),
            };
            let Value::Object(values) = helm::values::as_decoded(case.values) else {
                unreachable!("values are an object")
            };
            let schema = Schema::new(text.as_bytes().into());
            let report = schema.validate(&values).err().unwrap_or_default();
            assert!(
                case.texts.contains(&report),
                "{}: {line}\n{report:?}",
                path.display()
            );
            cases += 1;
            refused += usize::from(!report.is_empty());
        }
    }
    assert!(cases > 1_500 && refused > cases / 2, "{refused} of {cases}");
}
