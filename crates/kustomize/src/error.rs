//! Why a build is refused.

/// Marks that stand around what is quoted of files.
const QUOTED: [char; 2] = ['\u{1}', '\u{2}'];

/// Why a build is refused: kustomize's text, which names file and field.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.replace(QUOTED, ""))]
pub struct Error(pub(crate) String);

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Error({:?})", self.without_values())
    }
}

/// A part of a file inside of an error.
pub(crate) fn quoted(text: &str) -> String {
    let [start, end] = QUOTED;
    format!("{start}{}{end}", text.replace(QUOTED, ""))
}

impl Error {
    /// The text without what it quotes of files, which may be secret.
    pub fn without_values(&self) -> String {
        let [start, end] = QUOTED;
        let mut text = String::with_capacity(self.0.len());
        let mut rest = self.0.as_str();
        while let Some((before, inside)) = rest.split_once(start) {
            text.push_str(before);
            text.push_str("...");
            rest = inside.split_once(end).map_or("", |(_, after)| after);
        }
        text.push_str(rest);
        text
    }

    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same error after what was being done.
    pub(crate) fn within(self, what: &str) -> Self {
        Self(format!("{what}: {}", self.0))
    }

    /// Whether a text was no YAML, which is told without trying it as anything else.
    pub(crate) fn is_malformed_yaml(&self) -> bool {
        self.0.contains("MalformedYAMLError")
    }
}

impl From<apimachinery::patch::Error> for Error {
    fn from(error: apimachinery::patch::Error) -> Self {
        Self(error.to_string())
    }
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;
