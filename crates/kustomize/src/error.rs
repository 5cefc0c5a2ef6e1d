//! Why a build is refused.

/// Why a build is refused: kustomize's text, which names file and field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub(crate) String);

impl Error {
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
