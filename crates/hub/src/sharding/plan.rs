//! Who works on what. Pure.

use std::collections::BTreeSet;
use std::fmt;

use apiclient::ObjectKey;

/// An object, or all objects of a kind together, that one process works on at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// A GitRepo and its status.
    GitRepo(ObjectKey),
    /// A Bundle, its status and its BundleDeployments.
    Bundle(ObjectKey),
    /// A Cluster and its status.
    Cluster(ObjectKey),
    /// The status of a ClusterGroup.
    ClusterGroup(ObjectKey),
    /// The status of a Schedule.
    Schedule(ObjectKey),
    /// The collection of unused Contents.
    Contents,
}

impl Item {
    /// The kind, as a word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::GitRepo(_) => "GitRepo",
            Self::Bundle(_) => "Bundle",
            Self::Cluster(_) => "Cluster",
            Self::ClusterGroup(_) => "ClusterGroup",
            Self::Schedule(_) => "Schedule",
            Self::Contents => "Content",
        }
    }

    /// A number that is the same in every process of this and later versions.
    fn number(&self) -> u64 {
        let no_key = ObjectKey::default();
        let key = match self {
            Self::GitRepo(key)
            | Self::Bundle(key)
            | Self::Cluster(key)
            | Self::ClusterGroup(key)
            | Self::Schedule(key) => key,
            Self::Contents => &no_key,
        };
        fnv1a(&[self.kind(), &key.namespace, &key.name])
    }
}

/// FNV-1a over texts, each ended by a byte that is in none.
fn fnv1a(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Spreads what differs in a few bits over all of them. Source: splitmix64.
fn spread(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The processes that share the work, as one of them sees it.
///
/// Each item has one owner, the member with the highest score for it (rendezvous hashing): when a
/// member comes or goes only its own items move, a share of everybody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View(BTreeSet<String>);

/// What a view begins with as text. A process that counts otherwise says so by another word.
const RULE: &str = "v1:";

impl View {
    /// These members, by their identities.
    pub(crate) fn of<'a>(members: impl IntoIterator<Item = &'a str>) -> Self {
        Self(members.into_iter().map(str::to_owned).collect())
    }

    /// The member that owns an item; none without members.
    pub(crate) fn owner(&self, item: &Item) -> Option<&str> {
        let number = item.number();
        let score = |member: &&String| spread(spread(fnv1a(&[member.as_str()])) ^ number);
        self.0.iter().max_by_key(score).map(String::as_str)
    }

    /// The members, in order.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Reads what `Display` wrote; `None` for what another version or somebody else did.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let members = text.strip_prefix(RULE)?.split(',');
        Some(Self::of(members.filter(|member| !member.is_empty())))
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(RULE)?;
        for (place, member) in self.members().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            f.write_str(member)?;
        }
        Ok(())
    }
}

/// Another process that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) identity: String,
    /// The view it has published; `None` when that cannot be read, which claims everything.
    pub(crate) view: Option<View>,
}

impl Peer {
    fn claims(&self, item: &Item) -> bool {
        let claims = |view: &View| view.owner(item) == Some(self.identity.as_str());
        self.view.as_ref().is_none_or(claims)
    }
}

/// What this process may work on, as far as the label of a shard does not say otherwise.
///
/// The rule: **a process works on an item while the view that it has published gives it the item, and no
/// view that was read after that, of another process that is alive, gives it to that one.** A view is
/// published before the others are read, so of two that claim one item at least one sees the other; and
/// a process stops working on what the next view takes from it before that view is published. Views of
/// the same members are equal, so that soon exactly one works on each item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// All of it: nobody else is there.
    All,
    /// Nothing.
    Nothing,
    /// What the rule leaves.
    Part {
        me: String,
        /// What this process has published.
        published: View,
        /// What it is about to publish.
        next: View,
        /// What the others have published.
        peers: Vec<Peer>,
    },
}

impl Share {
    /// Whether this process may work on an item.
    pub(crate) fn has(&self, item: &Item) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Part {
                me,
                published,
                next,
                peers,
            } => {
                let me = Some(me.as_str());
                published.owner(item) == me
                    && (published == next || next.owner(item) == me)
                    && !peers.iter().any(|peer| peer.claims(item))
            }
        }
    }

    /// How many processes share the work, this one included.
    pub(crate) fn n_members(&self) -> usize {
        match self {
            Self::All => 1,
            Self::Nothing => 0,
            Self::Part { next, .. } => next.0.len(),
        }
    }
}

/// Whether an object with this label is for this shard. An empty label is for none, as upstream.
pub(crate) fn is_for_shard(label: Option<&str>, shard: &str) -> bool {
    match label {
        None => shard.is_empty(),
        Some(label) => !label.is_empty() && label == shard,
    }
}
