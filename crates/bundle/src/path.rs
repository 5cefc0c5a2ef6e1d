//! Slash-separated paths and shell patterns as Go's `path` package treats them.
//!
//! In and out: texts. Nothing here looks at a file system; `.` and `..` are resolved lexically, and a
//! pattern is compared with a name, never expanded (that is `scan`'s work).

/// The shortest equivalent of `path`: no empty or `.` elements, `..` resolved lexically, no trailing
/// slash. The empty path becomes `.`; a relative path may start with `..`.
///
/// Source: Go `path.Clean`.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => match kept.last() {
                Some(&last) if last != ".." => {
                    kept.pop();
                }
                _ if rooted => {}
                _ => kept.push(".."),
            },
            other => kept.push(other),
        }
    }
    let joined = kept.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The elements joined by slashes and cleaned; empty elements are ignored, and nothing at all gives
/// the empty text. An absolute element does not discard those before it.
///
/// Source: Go `path.Join`.
pub fn join(elements: &[&str]) -> String {
    let present: Vec<&str> = elements
        .iter()
        .copied()
        .filter(|element| !element.is_empty())
        .collect();
    if present.is_empty() {
        String::new()
    } else {
        clean(&present.join("/"))
    }
}

/// The last element of a path; `.` for the empty path.
///
/// Source: Go `path.Base`.
pub fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// Whether a name ends in a dot and this text, in this very case.
pub fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, end)| end == extension)
}

/// Everything before the last element of a cleaned path: `.` if there is nothing before it.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => &path[..at],
        None => ".",
    }
}

/// `path` seen from `root`, both cleaned: `Some("")` when they are equal, `None` when `path` does not
/// lie below `root`.
pub fn below<'p>(root: &str, path: &'p str) -> Option<&'p str> {
    if root == path {
        return Some("");
    }
    if root == "." {
        let outside = path == ".." || path.starts_with("../") || path.starts_with('/');
        return (!outside).then_some(path);
    }
    let rest = path.strip_prefix(root)?;
    if root.ends_with('/') {
        Some(rest)
    } else {
        rest.strip_prefix('/')
    }
}

/// A pattern that cannot be read: an unclosed bracket, an empty range or a trailing backslash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

/// Whether `name` matches the shell pattern: `*` and `?` do not cross slashes, `[a-z]` and `[^a-z]`
/// are classes, a backslash takes the next character literally. There is no `**`.
///
/// # Errors
/// [`BadPattern`], also for a part of the pattern that was not needed to decide.
///
/// Source: Go `path.Match`.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut rest: &[char] = &pattern;
    let mut name: Vec<char> = name.chars().collect();
    while !rest.is_empty() {
        let (star, chunk, after) = next_chunk(rest);
        rest = after;
        if star && chunk.is_empty() {
            return Ok(!name.contains(&'/'));
        }
        let Some(left) = place_chunk(star, chunk, &name, rest.is_empty())? else {
            well_formed(rest)?;
            return Ok(false);
        };
        name.drain(..name.len() - left);
    }
    Ok(name.is_empty())
}

/// Whether a text has a character with a meaning in a pattern.
pub fn has_meta(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// Tries the chunk at the start of the name and, after a star, at every later place before a slash.
/// The last chunk must reach the end. Returns how many characters are left over.
fn place_chunk(
    star: bool,
    chunk: &[char],
    name: &[char],
    last: bool,
) -> Result<Option<usize>, BadPattern> {
    if let Some(left) = match_chunk(chunk, name)?
        && (left == 0 || !last)
    {
        return Ok(Some(left));
    }
    if star {
        for at in 0..name.len() {
            if name[at] == '/' {
                break;
            }
            match match_chunk(chunk, &name[at + 1..])? {
                Some(left) if last && left > 0 => {}
                Some(left) => return Ok(Some(left)),
                None => {}
            }
        }
    }
    Ok(None)
}

/// Splits off the stars at the front and the text up to the next star outside of a class.
fn next_chunk(pattern: &[char]) -> (bool, &[char], &[char]) {
    let stars = pattern.iter().take_while(|&&c| c == '*').count();
    let rest = &pattern[stars..];
    let (mut in_class, mut at) = (false, 0);
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    let at = at.min(rest.len());
    (stars > 0, &rest[..at], &rest[at..])
}

/// Matches a chunk without stars at the start of `name`; the number of characters left, or `None`.
/// After a failure the rest of the chunk is still checked for syntax.
fn match_chunk(chunk: &[char], name: &[char]) -> Result<Option<usize>, BadPattern> {
    let (mut chunk, mut name, mut failed) = (chunk, name, false);
    while let Some((&c, after)) = chunk.split_first() {
        failed = failed || name.is_empty();
        match c {
            '[' => {
                let wanted = if failed { '\0' } else { name[0] };
                let (hit, rest) = match_class(after, wanted)?;
                chunk = rest;
                failed = failed || !hit;
            }
            '?' => {
                failed = failed || name[0] == '/';
                chunk = after;
            }
            '\\' => {
                let (&literal, rest) = after.split_first().ok_or(BadPattern)?;
                failed = failed || name[0] != literal;
                chunk = rest;
            }
            literal => {
                failed = failed || name[0] != literal;
                chunk = after;
            }
        }
        if !failed {
            name = &name[1..];
        }
    }
    Ok((!failed).then_some(name.len()))
}

/// Reads a class after its opening bracket; whether `c` is in it, and what follows it.
fn match_class(class: &[char], c: char) -> Result<(bool, &[char]), BadPattern> {
    let (negated, mut rest) = match class.split_first() {
        Some(('^', after)) => (true, after),
        _ => (false, class),
    };
    let (mut hit, mut n_ranges) = (false, 0);
    loop {
        if let Some((']', after)) = rest.split_first()
            && n_ranges > 0
        {
            return Ok((hit != negated, after));
        }
        let (low, after) = class_char(rest)?;
        let mut high = low;
        rest = after;
        if let Some(('-', after)) = rest.split_first() {
            (high, rest) = class_char(after)?;
        }
        hit = hit || (low <= c && c <= high);
        n_ranges += 1;
    }
}

/// One possibly escaped character of a class, which something must follow.
fn class_char(class: &[char]) -> Result<(char, &[char]), BadPattern> {
    let (&first, mut rest) = class.split_first().ok_or(BadPattern)?;
    let mut c = first;
    if c == '-' || c == ']' {
        return Err(BadPattern);
    }
    if c == '\\' {
        let (&escaped, after) = rest.split_first().ok_or(BadPattern)?;
        (c, rest) = (escaped, after);
    }
    if rest.is_empty() {
        Err(BadPattern)
    } else {
        Ok((c, rest))
    }
}

/// Checks the syntax of what a failed match did not look at.
fn well_formed(mut pattern: &[char]) -> Result<(), BadPattern> {
    while !pattern.is_empty() {
        let (_, chunk, after) = next_chunk(pattern);
        match_chunk(chunk, &[])?;
        pattern = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        let cases = [
            ("", "."),
            (".", "."),
            ("a/b", "a/b"),
            ("a//b/", "a/b"),
            ("./a/./b", "a/b"),
            ("a/../b", "b"),
            ("a/..", "."),
            ("../a", "../a"),
            ("a/../../b", "../b"),
            ("/", "/"),
            ("/../a", "/a"),
            ("//a", "/a"),
        ];
        for (input, wanted) in cases {
            assert_eq!(clean(input), wanted, "clean({input:?})");
        }
        assert_eq!(join(&["", ""]), "");
        assert_eq!(join(&["a", "", "/b", "../c"]), "a/c");
        assert_eq!(join(&["demo", "."]), "demo");
    }

    #[test]
    fn relative_paths_are_found_only_below_their_root() {
        assert_eq!(below("a", "a"), Some(""));
        assert_eq!(below("a", "a/b/c"), Some("b/c"));
        assert_eq!(below("a", "ab"), None);
        assert_eq!(below(".", "a"), Some("a"));
        assert_eq!(below(".", "../a"), None);
        assert_eq!(below(".", "/a"), None);
        assert_eq!(below("/", "/a"), Some("a"));
        assert_eq!(below("a/b", "a"), None);
    }

    #[test]
    fn patterns_match_as_go_does() {
        let cases = [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*/b", "a/c/b", Ok(false)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Ok(false)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[b-d]", "abc", Ok(true)),
            ("ab[^c]", "abc", Ok(false)),
            ("ab[!c]", "abc", Ok(true)),
            ("a\\*b", "a*b", Ok(true)),
            ("a\\*b", "ab", Ok(false)),
            ("a?b", "a☺b", Ok(true)),
            ("a???b", "a☺b", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("*x", "xxx", Ok(true)),
            ("**", "a", Ok(true)),
            ("**/b", "a/b", Ok(true)),
            ("**/b", "a/c/b", Ok(false)),
            ("", "", Ok(true)),
            ("", "a", Ok(false)),
            ("a", "", Ok(false)),
            // bad patterns, also where a match failed before
            ("[]a]", "]", Err(BadPattern)),
            ("[-]", "-", Err(BadPattern)),
            ("[x-]", "x", Err(BadPattern)),
            ("[-x]", "x", Err(BadPattern)),
            ("[a-b-c]", "a", Err(BadPattern)),
            ("[", "a", Err(BadPattern)),
            ("[^", "a", Err(BadPattern)),
            ("[^bc", "a", Err(BadPattern)),
            ("a[", "a", Err(BadPattern)),
            ("a[", "x", Err(BadPattern)),
            ("x*[", "a", Err(BadPattern)),
            ("a\\", "a", Err(BadPattern)),
        ];
        for (pattern, name, wanted) in cases {
            assert_eq!(
                matches(pattern, name),
                wanted,
                "matches({pattern:?}, {name:?})"
            );
        }
    }

    proptest! {
        #[test]
        fn cleaning_is_idempotent(path in "[a./]{0,12}") {
            let once = clean(&path);
            prop_assert_eq!(clean(&once), once.clone());
            prop_assert!(once == "/" || !once.ends_with('/'));
        }

        #[test]
        fn no_pattern_makes_the_matcher_fail_in_another_way(
            pattern in "[ab*?\\[\\]^\\\\/-]{0,10}",
            name in "[ab/]{0,8}",
        ) {
            let _ = matches(&pattern, &name);
        }

        #[test]
        fn a_text_without_meta_characters_matches_only_itself(a in "[a-c/.]{0,6}", b in "[a-c/.]{0,6}") {
            prop_assert_eq!(matches(&a, &b), Ok(a == b));
        }

        #[test]
        fn an_escaped_text_matches_itself(name in "[ab*?\\[\\]^\\\\/-]{0,10}") {
            let pattern: String = name.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert_eq!(matches(&pattern, &name), Ok(true));
        }
    }
}
