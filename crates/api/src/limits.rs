//! Byte budgets of everything that is stored, and the functions that cut to them.
//!
//! A budget counts bytes of the serialized form, never items (B-1). Whatever a user or a number of
//! clusters can make long goes through `fit` or `fit_text`, which cut in a fixed order and say how much
//! they left out (B-3). Relations between budgets are checked when this crate is built.

use std::borrow::Cow;

use serde::Serialize;

const KIB: usize = 1024;

/// What etcd accepts in one request by default.
pub const ETCD_REQUEST_BYTES: usize = 1536 * KIB;

/// All budgets. Passed explicitly: tests use `TINY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Any object with a status, all of it.
    pub object_bytes_max: usize,
    /// A BundleDeployment, all of it; there is one for each bundle on each cluster.
    pub deployment_bytes_max: usize,
    /// One Content, before base64.
    pub chunk_bytes_max: usize,
    /// Files that a Bundle written by Flotilla holds itself; larger ones become a Content.
    pub inline_bytes_max: usize,
    /// Entries of a list of examples, such as `nonReadyResources`.
    pub details_max: usize,
    /// All entries of such a list together.
    pub details_bytes_max: usize,
    /// One entry of such a list: what is kept in memory for a deployment that is not ready.
    pub detail_bytes_max: usize,
    /// A message in an entry of such a list.
    pub message_bytes_max: usize,
    /// The message of a Ready condition, which describes several deployments.
    pub ready_message_bytes_max: usize,
    /// A patch in a `modifiedStatus` entry.
    pub patch_bytes_max: usize,
    /// `BundleDeployment.status.resources`.
    pub deployment_resources_bytes_max: usize,
    /// `nonReadyStatus` and `modifiedStatus` of a BundleDeployment, each.
    pub deployment_details_bytes_max: usize,
    /// `status.resources` of a GitRepo or HelmOp.
    pub resources_bytes_max: usize,
    /// `status.perClusterResourceCounts` of a GitRepo or HelmOp.
    pub cluster_counts_bytes_max: usize,
    /// `status.partitions` of a Bundle.
    pub partitions_bytes_max: usize,
    /// `status.matchingClusters` of a Schedule.
    pub cluster_names_bytes_max: usize,
}

impl Limits {
    /// What runs.
    pub const PRODUCTION: Self = Self {
        object_bytes_max: 256 * KIB,
        deployment_bytes_max: 64 * KIB,
        chunk_bytes_max: 512 * KIB,
        inline_bytes_max: 128 * KIB,
        details_max: 10,
        details_bytes_max: 16 * KIB,
        detail_bytes_max: 2 * KIB,
        message_bytes_max: KIB,
        ready_message_bytes_max: 4 * KIB,
        patch_bytes_max: 512,
        deployment_resources_bytes_max: 32 * KIB,
        deployment_details_bytes_max: 8 * KIB,
        resources_bytes_max: 128 * KIB,
        cluster_counts_bytes_max: 48 * KIB,
        partitions_bytes_max: 48 * KIB,
        cluster_names_bytes_max: 64 * KIB,
    };

    /// For tests: everything is cut after a few entries.
    pub const TINY: Self = Self {
        object_bytes_max: 6 * KIB,
        deployment_bytes_max: 3 * KIB,
        chunk_bytes_max: 256,
        inline_bytes_max: 512,
        details_max: 3,
        details_bytes_max: 600,
        detail_bytes_max: 300,
        message_bytes_max: 60,
        ready_message_bytes_max: 150,
        patch_bytes_max: 40,
        deployment_resources_bytes_max: 400,
        deployment_details_bytes_max: 300,
        resources_bytes_max: 700,
        cluster_counts_bytes_max: 500,
        partitions_bytes_max: 700,
        cluster_names_bytes_max: 100,
    };

    /// Whether the budgets fit into each other.
    const fn are_consistent(&self) -> bool {
        // A status leaves at least a quarter of an object to its metadata, spec and conditions.
        let source_status =
            self.resources_bytes_max + self.cluster_counts_bytes_max + self.details_bytes_max;
        let bundle = self.inline_bytes_max + self.partitions_bytes_max + self.details_bytes_max;
        let deployment_status =
            self.deployment_resources_bytes_max + 2 * self.deployment_details_bytes_max;
        source_status <= self.object_bytes_max / 4 * 3
            && bundle <= self.object_bytes_max / 4 * 3
            && deployment_status <= self.deployment_bytes_max / 4 * 3
            // A list can hold its largest entry, and an entry its message.
            && self.detail_bytes_max <= self.details_bytes_max
            && self.message_bytes_max < self.detail_bytes_max
            && self.patch_bytes_max < self.detail_bytes_max
            && self.detail_bytes_max <= self.deployment_details_bytes_max
            // A chunk stays below what etcd accepts when it is base64 in JSON, with room for metadata.
            && self.chunk_bytes_max / 3 * 4 + 64 * KIB <= ETCD_REQUEST_BYTES
            && self.object_bytes_max <= ETCD_REQUEST_BYTES / 2
            && self.details_max > 0
    }
}

const _: () = assert!(
    Limits::PRODUCTION.are_consistent(),
    "budgets of production must fit"
);
const _: () = assert!(Limits::TINY.are_consistent(), "budgets of tests must fit");

/// A list cut to a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted<T> {
    /// What is kept, in the order given.
    pub kept: Vec<T>,
    /// How many were left out.
    pub omitted: usize,
}

/// Keeps the first items that fit, by count and by bytes of their JSON as a list.
///
/// Give the most important first: everything after the first item that does not fit is left out, so
/// what is kept is always the beginning, whatever the sizes.
pub fn fit<T: Serialize>(
    items: impl IntoIterator<Item = T>,
    count_max: usize,
    bytes_max: usize,
) -> Fitted<T> {
    let mut kept = Vec::new();
    let mut omitted = 0;
    // The brackets; each further item brings a comma, which the first one does not need.
    let mut used = 1;
    for item in items {
        let size = if omitted == 0 {
            json_len(&item).saturating_add(1)
        } else {
            0
        };
        if omitted > 0 || kept.len() >= count_max || size > bytes_max.saturating_sub(used) {
            omitted += 1;
            continue;
        }
        used += size;
        kept.push(item);
    }
    Fitted { kept, omitted }
}

/// Cuts a text to a budget for its JSON form without quotes, and says how many bytes are missing.
///
/// What is left out is in the middle: errors name first what failed and last why. A budget that
/// cannot even hold the remark gives an empty text.
pub fn fit_text(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.chars().map(escaped_len).sum::<usize>() <= bytes_max {
        return Cow::Borrowed(text);
    }
    // The remark is longest when all of the text is missing.
    let longest = remark(text.len()).len();
    if longest > bytes_max {
        return Cow::Borrowed("");
    }
    let room = bytes_max - longest;
    let end_room = room / 3;
    let head = fitting(text.chars(), room - end_room);
    let end = fitting(text[head..].chars().rev(), end_room);
    let missing = text.len() - head - end;
    let (head, end) = (&text[..head], &text[text.len() - end..]);
    Cow::Owned(format!("{head}{}{end}", remark(missing)))
}

/// Bytes of the first characters whose JSON form fits.
fn fitting(chars: impl Iterator<Item = char>, bytes_max: usize) -> usize {
    let mut used = 0;
    let fits = |c: &char| {
        used += escaped_len(*c);
        used <= bytes_max
    };
    chars.take_while(fits).map(char::len_utf8).sum()
}

fn remark(missing: usize) -> String {
    format!("… ({missing} bytes omitted) …")
}

/// Bytes of a character in a JSON string as Go writes it: the API server stores that form.
fn escaped_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

/// Bytes of the JSON form as the API server stores it. What cannot be written fits no budget.
pub fn json_len<T: Serialize + ?Sized>(value: &T) -> usize {
    goyaml::json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_is_cut_after_its_beginning() {
        let cut = |count_max, bytes_max| {
            let fitted = fit(["aa", "bbbbbbbb", "c"], count_max, bytes_max);
            (fitted.kept.len(), fitted.omitted)
        };
        assert_eq!(cut(10, 100), (3, 0));
        assert_eq!(cut(2, 100), (2, 1));
        assert_eq!(cut(0, 100), (0, 3));
        // ["aa","bbbbbbbb","c"] has 21 bytes.
        assert_eq!(cut(10, 21), (3, 0));
        assert_eq!(cut(10, 20), (2, 1));
        // The last item would still fit, but what is kept is the beginning.
        assert_eq!(cut(10, 12), (1, 2));
        assert_eq!(cut(10, 0), (0, 3));
    }

    #[test]
    fn html_counts_as_the_api_server_stores_it() {
        assert_eq!(json_len("<&>"), 20);
        assert_eq!(json_len(&[1.0, 1e21]), "[1,1e+21]".len());
    }

    #[test]
    fn a_budget_without_room_for_the_remark_gives_nothing() {
        assert_eq!(fit_text("a long message that does not fit", 5), "");
        assert_eq!(fit_text("", 0), "");
    }

    #[test]
    fn a_cut_text_keeps_what_failed_and_why() {
        let text = format!("render chart a: {}: too deep", "again ".repeat(100));
        let cut = fit_text(&text, 80);
        assert!(cut.starts_with("render chart a: again"), "{cut}");
        assert!(cut.ends_with("again : too deep"), "{cut}");
        assert!(cut.contains(" bytes omitted) …"), "{cut}");
    }

    proptest! {
        #[test]
        fn a_fitted_list_is_within_budget_and_complete(
            items in prop::collection::vec(".{0,12}", 0..20),
            bytes_max in 2usize..120,
        ) {
            let n_items = items.len();
            let fitted = fit(&items, 15, bytes_max);
            prop_assert!(json_len(&fitted.kept) <= bytes_max);
            prop_assert_eq!(fitted.kept.len() + fitted.omitted, n_items);
            prop_assert!(fitted.kept.iter().copied().eq(items.iter().take(fitted.kept.len())));
        }

        #[test]
        fn a_fitted_text_is_within_budget(text in ".{0,80}", bytes_max in 0usize..100) {
            let fitted = fit_text(&text, bytes_max);
            prop_assert!(json_len(fitted.as_ref()) <= bytes_max + 2);
            prop_assert!(fitted == text || json_len(&text) > bytes_max + 2);
        }
    }
}
