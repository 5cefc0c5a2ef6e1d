use super::*;

#[test]
fn constraints_hold_as_masterminds_has_it() {
    for (constraint, version, want) in [
        ("", "1.0.0", false),
        ("*", "4.5.6", true),
        (">=1.20.0-0", "v1.19.16", false),
        (">=1.20.0-0", "v1.33.0-gke.1", true),
        (">=1.20.0", "v1.33.0-gke.1", false),
        ("^4.0.0", "v4.3", true),
        ("<v3.9.0", "v4.3", false),
        ("~1.2", "1.2.9", true),
        ("~1.2", "1.3.0", false),
        ("^0.2.3", "0.2.9", true),
        ("^0.2.3", "0.3.0", false),
        ("^0.0.3", "0.0.4", false),
        ("1.2 - 1.4.5", "1.4.5", true),
        ("1.2 - 1.4.5", "1.4.6", false),
        (">1.2", "1.2.9", false),
        (">1.2", "1.3.0", true),
        ("<=1.2", "1.2.9", true),
        ("!=1.2.x", "1.2.3", false),
        ("!=1.2.x", "1.3.3", true),
        ("=>1.0, <2 || =>3", "3.1.0", true),
        ("=>1.0, <2 || =>3", "2.1.0", false),
        ("1.x.x", "1.9.9", true),
        ("~0", "0.9.0", true),
        (">1.0 <1.5", "1.4.0", true),
    ] {
        assert_eq!(
            is_compatible_range(constraint, version),
            want,
            "{version:?} in {constraint:?}"
        );
    }
}

/// The way through the patterns.
fn unusual(text: &str) -> Result<Group, Error> {
    if !VALID.is_match(text) {
        return Err(Error::Constraint(text.to_owned()));
    }
    let terms = FIND.find_iter(text).map(|m| parse_term(m.as_str()));
    Ok(Group::new(terms.collect::<Result<_, _>>()?))
}

#[test]
fn usual_groups_mean_what_the_patterns_make_of_them() {
    let pieces = [
        "1",
        "1.2",
        "v1.2.3",
        "1.x",
        "*",
        "1.2.3-a.b-1",
        "1.2.3+m.n",
        "-0",
        ">=",
        "<",
        "~>",
        "=",
        "!=",
        "^",
        "=>",
        "~",
        " ",
        "  ",
        ",",
        ", ",
        "\t",
        ".",
        "-",
        "+",
        "x",
        "|",
        "v",
        "é",
        "01",
        "1.2.3.4",
        ".5",
        "-rc.1",
    ];
    let mut usual = 0;
    for n in 0..pieces.len().pow(3) {
        let at = [n, n / pieces.len(), n / pieces.len().pow(2)];
        for tail in ["", " <2", ",3"] {
            let text: String = at.map(|i| pieces[i % pieces.len()]).concat() + tail;
            let Some(_) = usual_terms(&text) else {
                continue;
            };
            usual += 1;
            let shown = |group: Result<Group, Error>| format!("{group:?}");
            assert_eq!(shown(parse_group(&text)), shown(unusual(&text)), "{text:?}");
        }
    }
    assert!(usual > 10_000, "{usual}");
}

#[test]
fn bad_texts_are_refused_by_name() {
    for (text, want) in [
        ("", "invalid semantic version"),
        ("1.2.3.4", "invalid semantic version"),
        ("x", "invalid semantic version"),
        ("1.0.0-01", "version segment starts with 0"),
        (
            "99999999999999999999",
            "error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
        ),
    ] {
        let got = Version::parse(text).expect_err(text);
        assert_eq!(got.to_string(), want, "{text:?}");
    }
    for text in [">=x.y", "1.2 3 what", "=>>1"] {
        let got = Constraint::parse(text).expect_err(text);
        assert_eq!(got.to_string(), format!("improper constraint: {text:?}"));
    }
    let long = "1".repeat(513);
    assert_eq!(
        Constraint::parse(&long).expect_err("long"),
        Error::ConstraintTooLong
    );
}

#[test]
fn pre_releases_are_ordered_part_by_part() {
    let ordered = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ];
    for pair in ordered.windows(2) {
        let (a, b) = (Version::parse(pair[0]), Version::parse(pair[1]));
        let (a, b) = (a.expect(pair[0]), b.expect(pair[1]));
        assert_eq!(a.compare(&b), Ordering::Less, "{pair:?}");
    }
}
