//! Splitting a stream of YAML documents as Kubernetes does.
//!
//! A line that starts with `---` ends a document, whatever follows on that line is dropped with
//! it. Nothing is parsed: a `---` inside of a block scalar splits too, as it does in `kubectl`.
//! Helm splits in its own way, elsewhere.
//!
//! Source: `k8s.io/apimachinery/pkg/util/yaml`, `splitYAMLDocument`.

/// The documents of a stream, in order, empty ones included.
pub fn split(stream: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(stream);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find("\n---") else {
            rest = None;
            return (!text.is_empty()).then_some(text);
        };
        let after = &text[at + "\n---".len()..];
        rest = after.find('\n').map(|end| &after[end + 1..]);
        Some(&text[..at])
    })
}
