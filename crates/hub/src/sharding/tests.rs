//! Cases of who works on what, and replicas on an API server that fails.

mod together;

use std::collections::BTreeMap;

use apiclient::ObjectKey;

use super::plan::{Item, Peer, Share, View, is_for_shard};

fn items(n: usize) -> Vec<Item> {
    let key = |number: usize| ObjectKey::new(format!("ns-{}", number % 7), format!("app-{number}"));
    let bundles = (0..n).map(|number| Item::Bundle(key(number)));
    let clusters = (0..n).map(|number| Item::Cluster(key(number)));
    bundles.chain(clusters).chain([Item::Contents]).collect()
}

fn names(n: usize) -> Vec<String> {
    (0..n)
        .map(|number| format!("fleet-controller-{number}_1_{number:x}"))
        .collect()
}

fn view(names: &[String]) -> View {
    View::of(names.iter().map(String::as_str))
}

/// The share of one member when all agree.
fn share(names: &[String], me: &str) -> Share {
    let peers = names.iter().filter(|name| *name != me);
    let peers = peers.map(|name| Peer {
        identity: name.clone(),
        view: Some(view(names)),
    });
    Share::Part {
        me: me.to_owned(),
        published: view(names),
        next: view(names),
        peers: peers.collect(),
    }
}

#[test]
fn each_item_has_one_owner_and_owners_have_about_as_much() {
    let items = items(2_000);
    for n in 1..9 {
        let names = names(n);
        let shares: Vec<Share> = names.iter().map(|name| share(&names, name)).collect();
        let mut counts = vec![0_usize; n];
        for item in &items {
            let owners: Vec<usize> = (0..n).filter(|place| shares[*place].has(item)).collect();
            assert_eq!(owners.len(), 1, "{item:?} of {n}");
            counts[owners[0]] += 1;
        }
        let fair = items.len() / n;
        assert!(
            counts
                .iter()
                .all(|count| *count > fair * 8 / 10 && *count < fair * 12 / 10),
            "{counts:?}"
        );
    }
}

#[test]
fn only_what_must_move_moves_when_a_member_comes_or_goes() {
    let items = items(2_000);
    let names = names(6);
    let (all, without) = (view(&names), view(&names[1..]));
    let mut moved = BTreeMap::<bool, usize>::new();
    for item in &items {
        let (before, after) = (all.owner(item).unwrap(), without.owner(item).unwrap());
        // What does not belong to the one that goes stays where it is, and comes back when it comes back.
        let is_of_leaver = before == names[0];
        assert!(is_of_leaver || before == after, "{item:?}");
        *moved.entry(is_of_leaver).or_default() += 1;
    }
    assert!(moved[&true] < items.len() / 4, "{moved:?}");
}

#[test]
fn the_owner_does_not_depend_on_the_process_or_its_version() {
    let members = View::of(["a", "b", "c"]);
    let owner = |name: &str| {
        let item = Item::Bundle(ObjectKey::new("fleet-default", name));
        members.owner(&item).unwrap().to_owned()
    };
    let owners: Vec<String> = ["one", "two", "three", "four", "five", "six"]
        .map(owner)
        .into();
    assert_eq!(owners, OWNERS);
}

/// Recorded: replicas of different versions have to agree.
const OWNERS: [&str; 6] = ["c", "a", "a", "c", "a", "a"];

#[test]
fn what_another_claims_is_not_worked_on_whatever_the_own_view_says() {
    let names = names(3);
    let items = items(300);
    let Share::Part { me, published, .. } = share(&names, &names[0]) else {
        unreachable!()
    };
    let with = |peers: Vec<Peer>, next: &View| Share::Part {
        me: me.clone(),
        published: published.clone(),
        next: next.clone(),
        peers,
    };
    let n_of = |share: &Share| items.iter().filter(|item| share.has(item)).count();
    let own = n_of(&with(Vec::new(), &published));
    assert!(own > 0);
    // One that believes to be alone claims everything, and so does one that cannot be read.
    for view in [Some(view(&names[1..2])), None] {
        let identity = names[1].clone();
        assert_eq!(n_of(&with(vec![Peer { identity, view }], &published)), 0);
    }
    // One that has published nothing claims nothing.
    let newcomer = Peer {
        identity: names[1].clone(),
        view: Some(View::default()),
    };
    assert_eq!(n_of(&with(vec![newcomer], &published)), own);
    // What the next view takes away is given up before it is published.
    let more = [names.clone(), vec!["one-more".to_owned()]].concat();
    let left = n_of(&with(Vec::new(), &view(&more)));
    assert!(left > 0 && left < own, "{left} of {own}");
    assert_eq!(n_of(&with(Vec::new(), &View::default())), 0);
    assert_eq!(n_of(&Share::Nothing), 0);
}

#[test]
fn views_are_read_as_they_are_written_and_nothing_else_is() {
    for members in [vec![], vec!["a"], vec!["a", "b-1_2"]] {
        let view = View::of(members);
        assert_eq!(View::parse(&view.to_string()), Some(view));
    }
    for text in ["", "a,b", "v2:a", "V1:a", "null"] {
        assert_eq!(View::parse(text), None, "{text}");
    }
}

#[test]
fn an_object_is_for_the_shard_that_its_label_names() {
    for (label, shard, want) in [
        (None, "", true),
        (None, "a", false),
        (Some("a"), "a", true),
        (Some("a"), "", false),
        (Some("a"), "b", false),
        // Upstream: handled by nobody.
        (Some(""), "", false),
        (Some(""), "a", false),
    ] {
        assert_eq!(is_for_shard(label, shard), want, "{label:?} {shard:?}");
    }
}
