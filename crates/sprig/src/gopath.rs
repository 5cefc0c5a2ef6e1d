//! Slash-separated paths as Go's `path` and `path/filepath` (on Unix) treat them.
//!
//! In: byte strings or texts. Out: cleaned paths, parts of paths, and whether a shell pattern
//! matches. Does not touch the file system.

/// The last element of a path, as Go's `path.Base`: `.` for nothing, `/` for slashes only.
pub fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
    let trimmed = &path[..end];
    if trimmed.is_empty() {
        return b"/";
    }
    match trimmed.iter().rposition(|b| *b == b'/') {
        Some(slash) => &trimmed[slash + 1..],
        None => trimmed,
    }
}

/// [`base`] of a text.
pub fn base_str(path: &str) -> &str {
    std::str::from_utf8(base(path.as_bytes())).unwrap_or(path)
}

/// Everything but the last element, cleaned, as Go's `path.Dir`.
pub fn dir(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
    clean(&path[..end])
}

/// The suffix from the last dot of the last element on, as Go's `path.Ext`.
pub fn ext(path: &[u8]) -> &[u8] {
    for (i, b) in path.iter().enumerate().rev() {
        match b {
            b'/' => break,
            b'.' => return &path[i..],
            _ => {}
        }
    }
    b""
}

/// The shortest equivalent path, as Go's `path.Clean`; `.` for an empty one.
pub fn clean(path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return b".".to_vec();
    }
    let rooted = path[0] == b'/';
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            other => parts.push(other),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/".as_slice(), &joined].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

/// [`clean`] of a text.
pub fn clean_str(path: &str) -> String {
    gotemplate::lossy(&clean(path.as_bytes())).into_owned()
}

/// Joins the non-empty parts with slashes and cleans the result, as Go's `path.Join`.
pub fn join(parts: &[&str]) -> String {
    let kept: Vec<&str> = parts.iter().copied().filter(|p| !p.is_empty()).collect();
    if kept.is_empty() {
        return String::new();
    }
    clean_str(&kept.join("/"))
}

/// A pattern that Go's `filepath.Match` refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

/// Whether a shell pattern (`*`, `?`, `[a-z]`, `\x`) matches the whole name, as Go's
/// `filepath.Match`; neither `*` nor `?` matches a slash.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    if !pattern.contains(['*', '?', '[', '\\']) {
        return Ok(pattern == name);
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut pattern, mut name) = (pattern.as_slice(), name.as_slice());
    'chunks: while !pattern.is_empty() {
        let (star, chunk, rest) = scan_chunk(pattern);
        if star && chunk.is_empty() {
            return Ok(!name.contains(&'/'));
        }
        let outcome = match_chunk(chunk, name)?;
        if let Some(used) = outcome
            && (used == name.len() || !rest.is_empty())
        {
            name = &name[used..];
            pattern = rest;
            continue;
        }
        if star {
            let mut i = 0;
            while i < name.len() && name[i] != '/' {
                if let Some(used) = match_chunk(chunk, &name[i + 1..])?
                    && !(rest.is_empty() && i + 1 + used < name.len())
                {
                    name = &name[i + 1 + used..];
                    pattern = rest;
                    continue 'chunks;
                }
                i += 1;
            }
        }
        validate_rest(rest)?;
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// What follows a failed chunk is still checked, so that a bad pattern is always an error.
fn validate_rest(mut rest: &[char]) -> Result<(), BadPattern> {
    while !rest.is_empty() {
        let (_, chunk, next) = scan_chunk(rest);
        match_chunk(chunk, &[])?;
        rest = next;
    }
    Ok(())
}

/// Splits leading stars and the text up to the next star from a pattern.
fn scan_chunk(pattern: &[char]) -> (bool, &[char], &[char]) {
    let stars = pattern.iter().take_while(|c| **c == '*').count();
    let pattern = &pattern[stars..];
    let mut in_range = false;
    let mut i = 0;
    while i < pattern.len() {
        match pattern[i] {
            '\\' if i + 1 < pattern.len() => i += 1,
            '[' => in_range = true,
            ']' => in_range = false,
            '*' if !in_range => break,
            _ => {}
        }
        i += 1;
    }
    (stars > 0, &pattern[..i], &pattern[i..])
}

/// Matches one chunk at the start of `name`; gives the number of characters used.
fn match_chunk(chunk: &[char], name: &[char]) -> Result<Option<usize>, BadPattern> {
    let mut used = 0;
    let mut i = 0;
    // After a mismatch the rest of the chunk is only checked for its syntax.
    let mut failed = false;
    while i < chunk.len() {
        if !failed && used == name.len() {
            failed = true;
        }
        let current = if failed {
            None
        } else {
            name.get(used).copied()
        };
        match chunk[i] {
            '[' => {
                let (hit, next) = match_class(chunk, i + 1, current)?;
                i = next;
                failed |= !hit;
                used += usize::from(!failed);
                continue;
            }
            '?' => failed |= current == Some('/'),
            c => {
                let mut wanted = c;
                if c == '\\' {
                    i += 1;
                    wanted = *chunk.get(i).ok_or(BadPattern)?;
                }
                failed |= current != Some(wanted);
            }
        }
        used += usize::from(!failed);
        i += 1;
    }
    Ok(if failed { None } else { Some(used) })
}

/// Reads a character class that starts after its bracket; tells whether `c` is in it and where it
/// ends.
fn match_class(chunk: &[char], mut i: usize, c: Option<char>) -> Result<(bool, usize), BadPattern> {
    let negated = chunk.get(i) == Some(&'^');
    i += usize::from(negated);
    let mut hit = false;
    let mut ranges = 0;
    loop {
        if chunk.get(i) == Some(&']') && ranges > 0 {
            return Ok((c.is_some() && hit != negated, i + 1));
        }
        let (low, next) = class_character(chunk, i)?;
        let mut high = low;
        i = next;
        if chunk.get(i) == Some(&'-') {
            (high, i) = class_character(chunk, i + 1)?;
        }
        hit |= c.is_some_and(|c| low <= c && c <= high);
        ranges += 1;
    }
}

fn class_character(chunk: &[char], mut i: usize) -> Result<(char, usize), BadPattern> {
    let mut c = *chunk.get(i).ok_or(BadPattern)?;
    if c == '-' || c == ']' {
        return Err(BadPattern);
    }
    if c == '\\' {
        i += 1;
        c = *chunk.get(i).ok_or(BadPattern)?;
    }
    if i + 1 >= chunk.len() {
        return Err(BadPattern);
    }
    Ok((c, i + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        gotemplate::lossy(bytes).into_owned()
    }

    #[test]
    fn parts_of_paths_are_those_of_go() {
        for (path, want_base, want_dir, want_clean, want_ext) in [
            ("", ".", ".", ".", ""),
            ("/", "/", "/", "/", ""),
            ("a/b.txt", "b.txt", "a", "a/b.txt", ".txt"),
            ("a//b/../c/", "c", "a/c", "a/c", ""),
            ("../../x", "x", "../..", "../../x", ""),
            ("/../x.tar.gz", "x.tar.gz", "/", "/x.tar.gz", ".gz"),
            ("a.b/c", "c", "a.b", "a.b/c", ""),
        ] {
            assert_eq!(text(base(path.as_bytes())), want_base, "base of {path:?}");
            assert_eq!(text(&dir(path.as_bytes())), want_dir, "dir of {path:?}");
            assert_eq!(
                text(&clean(path.as_bytes())),
                want_clean,
                "clean of {path:?}"
            );
            assert_eq!(text(ext(path.as_bytes())), want_ext, "ext of {path:?}");
        }
        assert_eq!(join(&["", "a", "../b", "c"]), "b/c");
        assert_eq!(join(&["", ""]), "");
    }

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, name, want) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[b-d]", "abc", Ok(true)),
            ("ab[^c]", "abc", Ok(false)),
            ("a\\*b", "a*b", Ok(true)),
            ("a?b", "a/b", Ok(false)),
            ("[a-", "a", Err(BadPattern)),
            ("[]a]", "]", Err(BadPattern)),
            ("[-]", "-", Err(BadPattern)),
            ("a[", "ab", Err(BadPattern)),
            ("a\\", "a", Err(BadPattern)),
            ("*x", "xxx", Ok(true)),
            ("a\u{e9}?", "a\u{e9}\u{2603}", Ok(true)),
            ("", "", Ok(true)),
            ("", "x", Ok(false)),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern:?} on {name:?}");
        }
    }
}
