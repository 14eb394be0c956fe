//! Putting settings back without overwriting what somebody else changed meanwhile.

use maildoctor_wire::console::Settings;

/// What the settings are to be when what was done to them is undone: `before` became `ours`, and now they are `current`.
///
/// Each blacklist server is a setting of its own: those that were taken out come back to their places, and those that somebody
/// else added, removed or moved stay as they are. Where nobody did, this is `before` itself.
pub(super) fn undone(before: &Settings, ours: &Settings, current: &Settings) -> Settings {
    let mut back = current.clone();
    if current.reverse_lookup == ours.reverse_lookup {
        back.reverse_lookup = before.reverse_lookup;
    }
    for (at, zone) in before.blacklists.iter().enumerate() {
        let taken_out = !ours.blacklists.contains(zone);
        if taken_out && !back.blacklists.contains(zone) {
            // Behind the nearest of those that stood before it.
            let mut nearest = before.blacklists.get(..at).unwrap_or_default().iter().rev();
            let place = nearest.find_map(|z| back.blacklists.iter().position(|b| b == z));
            back.blacklists.insert(place.map_or(0, |found| found + 1), zone.clone());
        }
    }
    back
}

/// What somebody else changed, in words: how `current` differs from what we set.
pub(super) fn foreign(ours: &Settings, current: &Settings) -> Vec<String> {
    let mut said = Vec::new();
    if ours.reverse_lookup != current.reverse_lookup {
        said.push(format!("the reverse lookup was switched {}", if current.reverse_lookup { "on" } else { "off" }));
    }
    let only = |some: &[String], others: &[String], how: &str| -> Vec<String> {
        some.iter().filter(|z| !others.contains(z)).map(|z| format!("{z} was {how} as a blacklist server")).collect()
    };
    let lists =
        [only(&current.blacklists, &ours.blacklists, "added"), only(&ours.blacklists, &current.blacklists, "removed")]
            .concat();
    if lists.is_empty() && ours.blacklists != current.blacklists {
        said.push("the blacklist servers were put into another order".to_owned());
    }
    said.extend(lists);
    if ours.whitelist != current.whitelist {
        said.push("the whitelist was changed".to_owned());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lists(zones: &[&str]) -> Settings {
        Settings {
            reverse_lookup: true,
            blacklists: zones.iter().map(|z| (*z).to_owned()).collect(),
            whitelist: Vec::new(),
        }
    }

    #[test]
    fn what_others_changed_stays() {
        let (before, ours) = (lists(&["a", "b", "c", "d"]), lists(&["b", "d"]));
        assert_eq!(undone(&before, &ours, &lists(&["b", "d", "x"])), lists(&["a", "b", "c", "d", "x"]));
        assert_eq!(undone(&before, &ours, &lists(&["d"])), lists(&["a", "c", "d"]));
        assert_eq!(undone(&before, &ours, &lists(&["d", "b"])), lists(&["a", "d", "b", "c"]));
        let allowed = Settings { whitelist: vec![[127, 0, 0, 1].into()], ..ours.clone() };
        assert_eq!(undone(&before, &ours, &allowed).whitelist, allowed.whitelist);
        let off = Settings { reverse_lookup: false, ..ours.clone() };
        assert!(!undone(&before, &ours, &off).reverse_lookup);
        assert_eq!(foreign(&ours, &lists(&["b", "x"])).len(), 2);
        assert!(foreign(&ours, &ours).is_empty());
    }

    proptest! {
        #[test]
        fn where_nobody_else_was_it_is_as_before(count in 0_usize..20, out in any::<u32>(), reverse: (bool, bool)) {
            let names: Vec<String> = (0..count).map(|n| format!("l{n}.example")).collect();
            let left = names.iter().enumerate().filter(|(n, _)| out & (1 << n) == 0).map(|(_, z)| z.clone()).collect();
            let before = Settings { reverse_lookup: reverse.0, blacklists: names, whitelist: Vec::new() };
            let ours = Settings { reverse_lookup: reverse.1, blacklists: left, whitelist: Vec::new() };
            prop_assert_eq!(&undone(&before, &ours, &ours), &before);
            prop_assert_eq!(undone(&before, &ours, &before), before);
        }
    }
}
