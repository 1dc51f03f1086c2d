//! PNG files with a palette: a page has few colours, and a picture of it is a third as large by their numbers.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};

use anyhow::{Context, Result, bail};
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Colours that a palette has.
const COLOURS: usize = 256;

type Colour = [u8; 3];

/// The same picture by the numbers of its 256 most frequent colours; others become the nearest of them.
///
/// # Errors
/// Where it is no PNG of three or four bytes a pixel.
pub(super) fn reduced(png: &[u8]) -> Result<Vec<u8>> {
    let (width, pixels) = pixels(png)?;
    let mut counts: HashMap<Colour, usize> = HashMap::new();
    pixels.iter().for_each(|colour| *counts.entry(*colour).or_default() += 1);
    let mut palette: Vec<Colour> = counts.keys().copied().collect();
    palette.sort_by_key(|colour| (std::cmp::Reverse(counts[colour]), *colour));
    let all = palette.clone();
    palette.truncate(COLOURS);
    let numbers: HashMap<Colour, u8> =
        all.iter().map(|colour| (*colour, nearest(&palette, *colour))).collect();
    let mut rows = Vec::with_capacity(pixels.len() + pixels.len() / width);
    for row in pixels.chunks(width) {
        rows.push(0);
        rows.extend(row.iter().map(|colour| numbers[colour]));
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&rows)?;
    let mut head = Vec::new();
    head.extend(u32::try_from(width)?.to_be_bytes());
    head.extend(u32::try_from(pixels.len() / width)?.to_be_bytes());
    head.extend([8, 3, 0, 0, 0]);
    let parts =
        [(b"IHDR", head), (b"PLTE", palette.concat()), (b"IDAT", packed.finish()?), (b"IEND", Vec::new())];
    let mut file = SIGNATURE.to_vec();
    for (kind, content) in parts {
        file.extend(u32::try_from(content.len())?.to_be_bytes());
        let mut check = Crc::new();
        check.update(kind);
        check.update(&content);
        file.extend(kind);
        file.extend(content);
        file.extend(check.sum().to_be_bytes());
    }
    Ok(file)
}

/// Pixels of a row, and all pixels.
fn pixels(png: &[u8]) -> Result<(usize, Vec<Colour>)> {
    let mut rest = png.strip_prefix(SIGNATURE).context("no PNG")?;
    let (mut head, mut packed) = (None, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length))?;
        let kind = after.get(..4).context("a part without a kind")?;
        let content = after.get(4..4 + length).context("a part broke off")?;
        match kind {
            b"IHDR" => head = content.first_chunk::<13>().copied(),
            b"IDAT" => packed.extend_from_slice(content),
            _ => {}
        }
        rest = after.get(8 + length..).context("a part without its end")?;
    }
    let head = head.context("a PNG without a head")?;
    let width = usize::try_from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]))?;
    let step = match (head[8], head[9], head[12]) {
        (8, 2, 0) => 3,
        (8, 6, 0) => 4,
        other => bail!("a PNG of another kind: {other:?}"),
    };
    let mut rows = Vec::new();
    ZlibDecoder::new(packed.as_slice()).read_to_end(&mut rows)?;
    let mut above = vec![0; width * step];
    let mut pixels = Vec::with_capacity(rows.len() / step);
    for row in rows.chunks_exact(width * step + 1) {
        let mut line = row[1..].to_vec();
        for at in 0..line.len() {
            let left = if at < step { 0 } else { line[at - step] };
            let corner = if at < step { 0 } else { above[at - step] };
            line[at] = line[at].wrapping_add(predicted(row[0], left, above[at], corner));
        }
        pixels.extend(line.chunks_exact(step).map(|pixel| [pixel[0], pixel[1], pixel[2]]));
        above = line;
    }
    Ok((width, pixels))
}

/// What a row's filter expects of a byte.
fn predicted(filter: u8, left: u8, above: u8, corner: u8) -> u8 {
    match filter {
        1 => left,
        2 => above,
        3 => u8::midpoint(left, above),
        4 => {
            let [a, b, c] = [left, above, corner].map(i16::from);
            let guess = a + b - c;
            let far = |from: i16| (guess - from).abs();
            if far(a) <= far(b) && far(a) <= far(c) {
                left
            } else if far(b) <= far(c) {
                above
            } else {
                corner
            }
        }
        _ => 0,
    }
}

fn nearest(palette: &[Colour], colour: Colour) -> u8 {
    let far = |other: &Colour| -> u32 {
        colour.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum()
    };
    let best = (0_u8..=u8::MAX).zip(palette).min_by_key(|(_, other)| far(other));
    best.map_or(0, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_few_colours_is_the_same_with_a_palette() {
        // Two rows of two pixels: one as it is, one by the row above (`2`).
        let rows = [0, 255, 0, 0, 0, 0, 255, 2, 0, 9, 0, 0, 0, 0];
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&rows).unwrap();
        let packed = packed.finish().unwrap();
        let mut png = SIGNATURE.to_vec();
        for (kind, content) in [(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0][..]), (b"IDAT", &packed)] {
            png.extend((content.len() as u32).to_be_bytes());
            png.extend([&kind[..], content, &[0; 4]].concat());
        }
        assert_eq!(pixels(&png).unwrap(), (2, vec![[255, 0, 0], [0, 0, 255], [255, 9, 0], [0, 0, 255]]));
        let small = reduced(&png).unwrap();
        assert!(small.starts_with(SIGNATURE) && small.windows(4).any(|four| four == b"PLTE"));
        assert!(pixels(&small).is_err(), "one byte a pixel");
    }
}
