//! Splitting a stream of YAML documents as Kubernetes does.
//!
//! A line that starts with `---` ends a document, whatever follows on that line is dropped with
//! it. Nothing is parsed: a `---` inside of a block scalar splits too, as it does in `kubectl`.
//! Helm splits in its own way, elsewhere.
//!
//! Source: `k8s.io/apimachinery/pkg/util/yaml`, `splitYAMLDocument`.

/// A document of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The text between the separators; may be empty.
    pub text: &'a str,
    /// The line of the stream where it starts, counted from one.
    pub line: usize,
}

/// The documents of a stream, in order, empty ones included.
///
/// A `---` that opens the stream belongs to its first document. Kubernetes loses what stands
/// before a last line that is a separator with text behind it and has no line feed; here it stays.
pub fn split(stream: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some(stream);
    let mut line = 1;
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find("\n---") else {
            rest = None;
            return (!text.is_empty()).then_some(Part { text, line });
        };
        let part = Part {
            text: &text[..at],
            line,
        };
        let after = &text[at + "\n---".len()..];
        rest = after.find('\n').map(|end| &after[end + 1..]);
        // The line feed before the separator, and the one behind it.
        line += part.text.matches('\n').count() + 2;
        Some(part)
    })
}

/// The documents of a stream as kustomize divides it, each but the last with its last line feed.
///
/// # Errors
/// When something else than a comment follows a `---`; the text is kyaml's.
///
/// Source: kyaml `kio/byteio_reader.go`, `splitDocuments`.
pub fn split_kyaml(stream: &str) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    let mut rest = stream;
    while let Some(at) = rest.find("\n---") {
        let after = &rest[at + 4..];
        let Some(end) = after.find('\n') else {
            break;
        };
        let comment = after[..end].trim();
        if !comment.is_empty() && !comment.starts_with('#') {
            let separator = rest[at..at + 4 + end].trim();
            return Err(format!("invalid document separator: {separator}"));
        }
        texts.push(format!("{}\n", &rest[..at]));
        rest = &after[end + 1..];
    }
    if !stream.is_empty() {
        texts.push(rest.to_owned());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stream: &str, expected: &[(usize, &str)]) {
        let parts = split(stream)
            .map(|part| (part.line, part.text))
            .collect::<Vec<_>>();
        assert_eq!(parts, expected, "{stream:?}");
    }

    #[test]
    fn documents_end_at_lines_that_start_with_three_dashes() {
        check("", &[]);
        check("a", &[(1, "a")]);
        check("a\n---\nb\n", &[(1, "a"), (3, "b\n")]);
        check("a\n--- # c\nb", &[(1, "a"), (3, "b")]);
        check("a\n\n---\n---\nb", &[(1, "a\n"), (4, "---\nb")]);
        check("---\na\n---\nb", &[(1, "---\na"), (4, "b")]);
    }

    #[test]
    fn odd_separators_lose_nothing_before_them() {
        check("a\n---", &[(1, "a")]);
        check("a\n---\n", &[(1, "a")]);
        check("a\n--- b", &[(1, "a")]);
        check("a\n---b: c\nd", &[(1, "a"), (3, "d")]);
        check("a: |\n  x\n---\n  y", &[(1, "a: |\n  x"), (4, "  y")]);
        check("a ---\n ---\nb", &[(1, "a ---\n ---\nb")]);
        check("\n---\n\n---\n", &[(1, ""), (3, "")]);
    }
}
