//! Paths of fields.

/// Divides a path; `\` before a delimiter keeps it, a delimiter at the start counts for nothing.
pub(crate) fn split(path: &str, delimiter: char) -> Vec<String> {
    let mut parts = path.split(delimiter).peekable();
    if path.contains(delimiter) && path.starts_with(delimiter) {
        parts.next();
    }
    let mut found: Vec<String> = Vec::new();
    for part in parts {
        match found.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => found.push(part.to_owned()),
        }
    }
    found
}

/// As [`split`] at points, but what is in brackets stays together: `[name=a.b]`, and `[a.b/c]`, which
/// loses its brackets.
pub(crate) fn split_smartly(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut parts = split(path, '.').into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            found.push(part);
            continue;
        }
        let mut whole = part;
        for part in parts.by_ref() {
            whole.push('.');
            whole.push_str(&part);
            if part.ends_with(']') {
                break;
            }
        }
        if whole.contains('=') {
            found.push(whole);
        } else {
            found.push(whole.trim_matches(['[', ']']).to_owned());
        }
    }
    found
}

/// Go's `strconv.Atoi`.
pub(crate) fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Whether a part is the place of an item.
pub(crate) fn is_index(part: &str) -> bool {
    integer(part).is_some_and(|index| index >= 0)
}

/// Whether a part is in brackets.
pub(crate) fn is_selector(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

/// The key and the value of `[key=value]`.
pub(crate) fn selector(part: &str) -> Result<(&str, &str), String> {
    let inner = part.strip_suffix(']').unwrap_or(part);
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| {
        "list path element must contain fieldName=fieldValue for element to match".to_owned()
    })
}
