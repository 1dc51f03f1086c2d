//! Looking for a secret in everything that is left behind, however it is written there.

use std::fs;
use std::path::Path;

/// Ways in which the tell-tale part of a secret can be written.
pub(super) struct Search {
    needles: Vec<(&'static str, String)>,
}

impl Search {
    /// For a secret with these letters and digits in it. No way of writing text changes those: whatever is
    /// around them, JSON, addresses, pages and logs have them as they are. Base64 has them in one of three
    /// ways, by where in the text they begin.
    pub(super) fn new(telltale: &str) -> Self {
        assert!(telltale.len() >= 16 && telltale.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let hexadecimal = hex(telltale.as_bytes());
        let mut needles = vec![
            ("clear", telltale.to_owned()),
            ("hexadecimal", hexadecimal.to_uppercase()),
            ("hexadecimal", hexadecimal),
        ];
        for before in 0..3 {
            let text = [&b"___"[..before], telltale.as_bytes()].concat();
            let whole = base64(&text);
            // Four digits are three bytes; those that hold bits of what is around it are left out.
            let (from, to) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
            needles.push(("base64", whole[from..to].to_owned()));
        }
        Self { needles }
    }

    /// How the secret is written in there, if it is.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<&'static str> {
        // What is no text is passed over by the one character that stands for it; needles are all letters.
        let text = String::from_utf8_lossy(bytes);
        self.needles.iter().find(|(_, needle)| text.contains(needle.as_str())).map(|(way, _)| *way)
    }

    /// Every file in and below a folder that has the secret in it, and how many were looked at.
    pub(super) fn find_below(&self, folder: &Path) -> (Vec<String>, usize) {
        let (mut found, mut seen, mut open) = (Vec::new(), 0, vec![folder.to_owned()]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if kind.is_dir() {
                    open.push(path);
                } else if kind.is_file() {
                    seen += 1;
                    let way = fs::read(&path).ok().and_then(|bytes| self.find(&bytes));
                    let name = self.find(entry.file_name().as_encoded_bytes());
                    found.extend(way.or(name).map(|way| format!("{}: {way}", path.display())));
                }
            }
        }
        (found, seen)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number =
            (0..3).fold(0_usize, |number, at| number << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        text.extend([18, 12, 6, 0].map(|shift| char::from(DIGITS[number >> shift & 63])));
    }
    text
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let canary = xtask::bed::Canary::password().unwrap();
    let (secret, search) = (canary.text.as_str(), Search::new(&canary.telltale));
    let quoted = serde_json::to_string(secret).unwrap();
    let spelled: String = secret
        .encode_utf16()
        .map(|unit| match char::from_u32(unit.into()) {
            Some(c) if c.is_ascii_alphanumeric() => c.to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    let address: String = secret
        .bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    for written in
        [secret.to_owned(), quoted, spelled, address, format!("{secret:?}"), hex(secret.as_bytes())]
    {
        let message = format!("level=debug value={written} end");
        assert!(search.find(message.as_bytes()).is_some(), "{message}");
    }
    for user in ["a", "ab", "abc", "canary"] {
        let header = format!("authorization: Basic {}", base64(format!("{user}:{secret}").as_bytes()));
        assert_eq!(search.find(header.as_bytes()), Some("base64"), "{user}");
    }
    assert_eq!(search.find(base64(&secret.as_bytes()[1..]).as_bytes()), Some("base64"));
    assert_eq!(search.find(b"canary, with a user name that is no secret"), None);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("deep")).unwrap();
    fs::write(
        folder.path().join("deep/file"),
        [b"\0\xff\xe2\x28\xf0".as_slice(), secret.as_bytes(), b"\0"].concat(),
    )
    .unwrap();
    fs::write(folder.path().join("other"), "nothing").unwrap();
    let (found, seen) = search.find_below(folder.path());
    assert_eq!((found.len(), seen), (1, 2), "{found:?}");
}
