//! What becomes of an object, and after how long: settings, rules, annotations.
//!
//! In: settings and an object. Out: an [`Outcome`] and a delay. The delay within the settings' range is
//! fixed by the object's name, so that runs repeat.

use std::time::Duration;

use serde_json::Value;

use crate::object;

/// Annotation on an object or its pod template: `fail`, `never`, `ready`, `delay=<n>ms|s|m`, several
/// separated by commas.
pub(super) const ANNOTATION: &str = "sandbox.flotilla.io/simulate";

/// What becomes of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// It becomes ready, or ends well.
    #[default]
    Ready,
    /// It fails for good.
    Fail,
    /// It goes on without ever being ready.
    Never,
}

/// An outcome for all objects that a pattern describes; absent parts match everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Kind, such as `Deployment`.
    pub kind: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Part of the object's name.
    pub name_contains: Option<String>,
    /// Part of the image of any container.
    pub image_contains: Option<String>,
    /// What becomes of them.
    pub outcome: Outcome,
    /// How long they take, instead of the settings' delay.
    pub delay: Option<Duration>,
}

/// How workloads are simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything is simulated at all.
    pub enabled: bool,
    /// The shortest time from a change to its result.
    pub delay_min: Duration,
    /// The longest.
    pub delay_max: Duration,
    /// How many nodes DaemonSets find.
    pub nodes: u32,
    /// Rules, the first that matches counts; annotations come before them.
    pub rules: Vec<Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            delay_min: Duration::from_millis(200),
            delay_max: Duration::from_secs(1),
            nodes: 1,
            rules: Vec::new(),
        }
    }
}

impl Settings {
    /// The delay of an object by its name alone, between the two bounds.
    pub(super) fn delay_of(&self, namespace: &str, name: &str) -> Duration {
        let span = self.delay_max.saturating_sub(self.delay_min);
        let share = (fnv(&[namespace, name]) % 1_024) as u32;
        self.delay_min + span * share / 1_024
    }

    /// The delay that an annotation or a rule asks for.
    pub(super) fn delay_wanted(&self, object: &Value) -> Option<Duration> {
        let annotated = annotation(object).and_then(|text| {
            text.split(',')
                .find_map(|word| duration(word.trim().strip_prefix("delay=")?))
        });
        annotated.or_else(|| self.rule(object).and_then(|rule| rule.delay))
    }

    /// What becomes of the object.
    pub(super) fn outcome(&self, object: &Value) -> Outcome {
        let word = annotation(object).and_then(|text| {
            text.split(',').find_map(|word| match word.trim() {
                "fail" => Some(Outcome::Fail),
                "never" => Some(Outcome::Never),
                "ready" => Some(Outcome::Ready),
                _ => None,
            })
        });
        word.or_else(|| self.rule(object).map(|rule| rule.outcome))
            .unwrap_or_default()
    }

    fn rule(&self, object: &Value) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matches(object))
    }
}

impl Rule {
    fn matches(&self, object: &Value) -> bool {
        let equal =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|word| word == found);
        equal(&self.kind, object::str_at(object, &["kind"]))
            && equal(&self.namespace, object::namespace(object))
            && self
                .name_contains
                .as_ref()
                .is_none_or(|part| object::name(object).contains(part.as_str()))
            && self
                .image_contains
                .as_ref()
                .is_none_or(|part| images(object).any(|image| image.contains(part.as_str())))
    }
}

/// The pod spec of an object that has one.
pub(super) fn pod_spec(object: &Value) -> Option<&Value> {
    let template = object::at(object, &["spec", "template", "spec"]);
    template
        .or_else(|| object::at(object, &["spec"]).filter(|spec| spec.get("containers").is_some()))
}

fn images(object: &Value) -> impl Iterator<Item = &str> {
    let containers = |key: &'static str| {
        pod_spec(object)
            .map_or(&[][..], |spec| object::list_at(spec, &[key]))
            .iter()
    };
    containers("containers")
        .chain(containers("initContainers"))
        .map(|one| object::str_at(one, &["image"]))
}

fn annotation(object: &Value) -> Option<&str> {
    let own = object::at(object, &["metadata", "annotations", ANNOTATION]);
    let of_pods = || {
        object::at(
            object,
            &["spec", "template", "metadata", "annotations", ANNOTATION],
        )
    };
    own.or_else(of_pods).and_then(Value::as_str)
}

/// `500ms`, `10s`, `2m`; at most a day, and nothing for other texts.
fn duration(text: &str) -> Option<Duration> {
    const MAX: Duration = Duration::from_hours(24);
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..at].parse().ok()?;
    let unit = match &text[at..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    number
        .checked_mul(unit)
        .map(|millis| Duration::from_millis(millis).min(MAX))
}

/// FNV-1a: a hash that is the same in every process.
pub(super) fn fnv(parts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn annotated(text: &str) -> Value {
        json!({"metadata": {"name": "x", "annotations": {ANNOTATION: text}}})
    }

    #[test]
    fn annotations_come_before_rules_and_rules_in_order() {
        let settings = Settings {
            rules: vec![
                Rule {
                    image_contains: Some("broken".into()),
                    outcome: Outcome::Fail,
                    ..Rule::default()
                },
                Rule {
                    kind: Some("Deployment".into()),
                    name_contains: Some("slow".into()),
                    delay: Some(Duration::from_secs(7)),
                    ..Rule::default()
                },
            ],
            ..Settings::default()
        };
        let cases = [
            (annotated("fail"), Outcome::Fail, None),
            (annotated("never"), Outcome::Never, None),
            (annotated("delay=10s, fail"), Outcome::Fail, Some(10_000)),
            (annotated("delay=ten"), Outcome::Ready, None),
            (
                annotated("delay=99999999999999999999s"),
                Outcome::Ready,
                None,
            ),
            (annotated("whatever"), Outcome::Ready, None),
            (
                json!({"metadata": {"annotations": 7}, "spec": []}),
                Outcome::Ready,
                None,
            ),
            (
                json!({"spec": {"template": {"metadata": {"annotations": {ANNOTATION: "never"}}}}}),
                Outcome::Never,
                None,
            ),
            (
                json!({"spec": {"template": {"spec": {"containers": [{"image": "r/broken:1"}]}}}}),
                Outcome::Fail,
                None,
            ),
            (
                json!({"spec": {"containers": [{"image": "broken"}]}}),
                Outcome::Fail,
                None,
            ),
            (
                json!({"kind": "Deployment", "metadata": {"name": "a-slow-one"}}),
                Outcome::Ready,
                Some(7_000),
            ),
            (
                json!({"kind": "Job", "metadata": {"name": "a-slow-one"}}),
                Outcome::Ready,
                None,
            ),
        ];
        for (object, outcome, millis) in cases {
            assert_eq!(settings.outcome(&object), outcome, "{object}");
            assert_eq!(
                settings.delay_wanted(&object),
                millis.map(Duration::from_millis),
                "{object}"
            );
        }
    }

    #[test]
    fn delays_stay_within_their_bounds_and_repeat() {
        let settings = Settings::default();
        let delays: Vec<Duration> = (0..100)
            .map(|i| settings.delay_of("ns", &format!("n{i}")))
            .collect();
        assert!(
            delays
                .iter()
                .all(|delay| (settings.delay_min..=settings.delay_max).contains(delay))
        );
        assert!(delays.iter().any(|delay| *delay != delays[0]));
        assert_eq!(settings.delay_of("ns", "n7"), delays[7]);
        let fixed = Settings {
            delay_max: Duration::ZERO,
            ..settings
        };
        assert_eq!(fixed.delay_of("a", "b"), fixed.delay_min);
    }
}
