//! How large a page is, and by what light.

/// Width and height of the window, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// A laptop.
pub const WIDE: Size = Size { width: 1280, height: 900 };
/// A telephone.
pub const NARROW: Size = Size { width: 390, height: 844 };

/// What the system of somebody prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Colours {
    /// As the media feature `prefers-color-scheme` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}
