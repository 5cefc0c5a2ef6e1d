//! The text of an error with its causes, the same in logs, statuses, events and on terminals.
//!
//! In: an error whose text does not repeat its source, as all of ours. Out: one text. Nothing here
//! classifies errors or decides what to do about them.

use std::error::Error;

/// The text of an error and of all its causes, outermost first, separated by `: `, as upstream prints
/// its errors. One line as long as each text is one.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn every_cause_is_told_outermost_first() {
        let root = Layer("no such file", None);
        assert_eq!(chain(&root), "no such file");
        let error = Layer(
            "load",
            Some(Box::new(Layer("read a.yaml", Some(Box::new(root))))),
        );
        assert_eq!(chain(&error), "load: read a.yaml: no such file");
    }
}
