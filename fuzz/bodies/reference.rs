//! Image references as somebody might type them.

use mirage_core::Reference;

/// Whatever is accepted comes back the same from its canonical and from its familiar form; whatever
/// is refused is refused in one line.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match text.parse::<Reference>() {
        Ok(reference) => {
            let canonical = reference.to_string();
            assert_eq!(canonical.parse::<Reference>().as_ref().ok(), Some(&reference), "{canonical}");
            let familiar = reference.familiar();
            assert_eq!(familiar.parse::<Reference>().as_ref().ok(), Some(&reference), "{familiar}");
            assert!(reference.repository().to_string().len() <= 255);
        }
        Err(error) => {
            assert!(error.next_step().is_some());
            assert!(!error.message().chars().any(char::is_control), "{}", error.message());
        }
    }
}
