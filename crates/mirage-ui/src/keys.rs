//! The keyboard: what each key does is data, and each key is on a real link, button or field of a page, by `data-key`.

/// Opens the jump palette.
pub(crate) const JUMP: &str = "mod+k";
/// Shows the keyboard map.
pub(crate) const HELP: &str = "?";
/// Makes a new service.
pub(crate) const NEW: &str = "n";
/// Goes to the services.
pub(crate) const SERVICES: &str = "g s";
/// Puts the cursor into the filter of a list.
pub(crate) const FILTER: &str = "/";

/// A key, or several one after the other, and what it does.
pub(crate) struct Key {
    /// As `data-key` has it; what script alone does has no element with it.
    pub(crate) keys: &'static str,
    /// In half a sentence.
    pub(crate) does: &'static str,
}

/// The keys of one kind of place.
pub(crate) struct Group {
    /// Which.
    pub(crate) name: &'static str,
    /// Its keys.
    pub(crate) keys: &'static [Key],
}

/// The whole map, but for the places that follow `g`, which the navigation has.
pub(crate) const MAP: [Group; 4] = [
    Group {
        name: "Everywhere",
        keys: &[
            key(JUMP, "jump to a service, a project, a deployment or a page"),
            key(HELP, "show this map"),
            key(NEW, "deploy a new service"),
            key(SERVICES, "go to the services, of the environment you are in"),
            key("c", "copy the first identity, digest or command of the page, or that of the row you are in"),
            key("esc", "close what is open, leave a field"),
        ],
    },
    Group {
        name: "In a list",
        keys: &[
            key("j", "go to the next row"),
            key("k", "go to the row before"),
            key("enter", "open the row"),
            key(FILTER, "filter the list"),
        ],
    },
    Group {
        name: "On a service or a deployment",
        keys: &[
            key("d", "go to where an image is deployed"),
            key("r", "go to the button that rolls back, or to the deployments"),
            key("l", "show the logs"),
        ],
    },
    Group {
        name: "In the jump palette",
        keys: &[key("down", "go to the next answer"), key("up", "go to the answer before")],
    },
];

const fn key(keys: &'static str, does: &'static str) -> Key {
    Key { keys, does }
}

/// How people read a key.
pub(crate) fn spoken(keys: &str) -> String {
    let one = |key: &str| match key {
        "mod+k" => "Ctrl K or ⌘ K".to_owned(),
        "esc" => "Esc".to_owned(),
        "enter" => "Enter".to_owned(),
        "down" => "↓".to_owned(),
        "up" => "↑".to_owned(),
        plain => plain.to_owned(),
    };
    keys.split(' ').map(one).collect::<Vec<_>>().join(" then ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::navigation::PLACES;

    #[test]
    fn no_key_does_two_things() {
        let places = PLACES.iter().map(|place| format!("g {}", place.key));
        let all: Vec<_> =
            MAP.iter().flat_map(|group| group.keys).map(|key| key.keys.to_owned()).chain(places).collect();
        let different: HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
        assert!(!different.contains(&"g".to_owned()), "`g` begins others");
    }

    #[test]
    fn keys_are_spoken_as_they_stand_on_a_keyboard() {
        assert_eq!([spoken("g p"), spoken(JUMP), spoken("?")], ["g then p", "Ctrl K or ⌘ K", "?"]);
    }
}
