//! Pointers, UUIDs, versions.

use super::{digits, flaw, shown};

pub(super) fn json_pointer(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let Some(tokens) = text.strip_prefix('/') else {
        return flaw("not starting with /");
    };
    for token in tokens.split('/') {
        let mut characters = token.chars();
        while let Some(character) = characters.next() {
            if character == '~' && !matches!(characters.next(), Some('0' | '1')) {
                return flaw("~ must be followed by 0 or 1");
            }
        }
    }
    Ok(())
}

pub(super) fn relative_json_pointer(text: &str) -> Result<(), String> {
    match digits(text) {
        0 => flaw("must start with non-negative integer"),
        n if n > 1 && text.starts_with('0') => flaw("starts with zero"),
        n if &text[n..] == "#" => Ok(()),
        n => json_pointer(&text[n..]),
    }
}

pub(super) fn uuid(text: &str) -> Result<(), String> {
    const LENGTHS: [usize; 5] = [8, 4, 4, 4, 12];
    let groups: Vec<&str> = text.split('-').collect();
    if groups.len() != LENGTHS.len() {
        return flaw("must have 5 elements");
    }
    for (i, (group, length)) in groups.iter().zip(LENGTHS).enumerate() {
        if group.len() != length {
            let place = i + 1;
            return Err(format!("element {place} must be {length} characters long"));
        }
        if let Some(other) = group.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(format!("non-hex character {}", shown(other)));
        }
    }
    Ok(())
}

pub(super) fn semver(text: &str) -> Result<(), String> {
    let mut rest = text;
    let word = |c: &char| !c.is_ascii_alphanumeric() && *c != '-';
    if let Some((before, build)) = rest.split_once('+') {
        if build.is_empty() {
            return flaw("build is empty");
        }
        for identifier in build.split('.') {
            if identifier.is_empty() {
                return flaw("build identifier is empty");
            }
            if let Some(other) = identifier.chars().find(word) {
                let other = shown(other);
                return Err(format!("invalid character {other} in build identifier"));
            }
        }
        rest = before;
    }
    if let Some((before, release)) = rest.split_once('-') {
        for identifier in release.split('.') {
            if identifier.is_empty() {
                return flaw("pre-release identifier is empty");
            }
            if let Some(other) = identifier.chars().find(word) {
                let other = shown(other);
                return Err(format!(
                    "invalid character {other} in pre-release identifier"
                ));
            }
            let number = digits(identifier) == identifier.len();
            if number && identifier.len() > 1 && identifier.starts_with('0') {
                return flaw("pre-release numeric identifier starts with zero");
            }
        }
        rest = before;
    }
    let versions: Vec<&str> = rest.split('.').collect();
    if versions.len() != 3 {
        return flaw("versionCore must have 3 numbers separated by dot");
    }
    for (name, version) in ["major", "minor", "patch"].into_iter().zip(versions) {
        if version.is_empty() {
            return Err(format!("{name} is empty"));
        }
        if version.len() > 1 && version.starts_with('0') {
            return Err(format!("{name} starts with zero"));
        }
        if digits(version) != version.len() {
            return Err(format!("{name} contains non-digit"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(of: fn(&str) -> Result<(), String>, cases: &[(&str, &str)]) {
        for (text, want) in cases {
            assert_eq!(of(text).err().unwrap_or_default(), *want, "{text:?}");
        }
    }

    #[test]
    fn pointers() {
        check(
            json_pointer,
            &[
                ("", ""),
                ("/a~0/~1b//", ""),
                ("a", "not starting with /"),
                ("/~2", "~ must be followed by 0 or 1"),
                ("/a~", "~ must be followed by 0 or 1"),
                ("/~/0", "~ must be followed by 0 or 1"),
            ],
        );
        check(
            relative_json_pointer,
            &[
                ("0", ""),
                ("12/a", ""),
                ("1#", ""),
                ("/a", "must start with non-negative integer"),
                ("01", "starts with zero"),
                ("0##", "not starting with /"),
            ],
        );
    }

    #[test]
    fn uuids_and_versions() {
        check(
            uuid,
            &[
                ("2eb8aa08-AA98-11ea-b4aa-73b441d16380", ""),
                ("2eb8aa08", "must have 5 elements"),
                (
                    "2eb8aa0-aa98-11ea-b4aa-73b441d16380",
                    "element 1 must be 8 characters long",
                ),
                (
                    "2eb8aa0g-aa98-11ea-b4aa-73b441d16380",
                    "non-hex character 'g'",
                ),
            ],
        );
        check(
            semver,
            &[
                ("1.2.3-rc.1+b-1.x", ""),
                ("1.2", "versionCore must have 3 numbers separated by dot"),
                ("1.02.3", "minor starts with zero"),
                ("1.2.", "patch is empty"),
                ("v1.2.3", "major contains non-digit"),
                ("1.2.3+", "build is empty"),
                ("1.2.3+a..b", "build identifier is empty"),
                ("1.2.3+a_b", "invalid character '_' in build identifier"),
                ("1.2.3-", "pre-release identifier is empty"),
                (
                    "1.2.3-01",
                    "pre-release numeric identifier starts with zero",
                ),
                (
                    "1.2.3-a!",
                    "invalid character '!' in pre-release identifier",
                ),
            ],
        );
    }
}
