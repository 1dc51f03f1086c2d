//! Compressed streams: whole, in pieces, damaged, and much larger than they look.

use std::io::{self, Read, Write};

use flate2::write::GzEncoder;

use crate::layer::testing::{Archive, Header, read_all};
use crate::layer::{Compression, LayerError, LayerLimits, LayerSummary, check_erofs, write_erofs};

fn archive() -> Vec<u8> {
    let body: Vec<u8> = (0..700_000u32).flat_map(|at| (at / 3).to_le_bytes()).collect();
    Archive::default().file("a", b"1").file("b", &body).end()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpack(
    stream: impl Read,
    compression: Compression,
    limits: &LayerLimits,
) -> Result<LayerSummary, LayerError> {
    let file = tempfile::tempfile().unwrap();
    let summary = write_erofs(stream, compression, limits, &file)?;
    let found = check_erofs(&read_all(&file)).unwrap();
    assert_eq!(found[b"/b".as_slice()].size, 2_800_000);
    Ok(summary)
}

fn accept(stream: &[u8], compression: Compression) -> LayerSummary {
    unpack(stream, compression, &LayerLimits::default()).unwrap()
}

fn refusal(stream: &[u8], compression: Compression) -> String {
    unpack(stream, compression, &LayerLimits::default()).unwrap_err().to_string()
}

#[test]
fn every_compression_gives_the_same_layer() {
    let plain = accept(&archive(), Compression::None);
    assert_eq!((plain.entries, plain.unpacked_bytes), (2, archive().len() as u64));
    assert_eq!(accept(&gzip(&archive()), Compression::Gzip), plain);
    assert_eq!(accept(&zstd(&archive()), Compression::Zstd), plain);
}

#[test]
fn members_and_frames_follow_each_other() {
    let archive = archive();
    let pieces = || archive.chunks(100_000);
    accept(&pieces().flat_map(gzip).collect::<Vec<u8>>(), Compression::Gzip);
    accept(&pieces().flat_map(zstd).collect::<Vec<u8>>(), Compression::Zstd);
    // As pzstd writes them: a skippable frame in front of each.
    let skippable = |piece: &[u8]| [b"\x50\x2a\x4d\x18\x04\0\0\0size".as_slice(), &zstd(piece)].concat();
    accept(&pieces().flat_map(skippable).collect::<Vec<u8>>(), Compression::Zstd);
}

#[test]
fn what_follows_the_compressed_data_is_ignored_and_still_read() {
    for (compressed, compression) in
        [(gzip(&archive()), Compression::Gzip), (zstd(&archive()), Compression::Zstd)]
    {
        for garbage in [vec![0; 200_000], b"garbage".to_vec(), vec![0x1f]] {
            let stream = [compressed.as_slice(), &garbage].concat();
            let mut rest = stream.as_slice();
            unpack(&mut rest, compression, &LayerLimits::default()).unwrap();
            assert!(rest.is_empty(), "a digest of the stream would miss {} bytes", rest.len());
        }
    }
}

#[test]
fn the_bytes_decide_about_the_compression_and_a_wrong_media_type_is_a_warning() {
    let summary = accept(&zstd(&archive()), Compression::Gzip);
    assert_eq!(summary.warnings, ["the media type says `gzip`, the bytes are `zstd`"]);
    let summary = accept(&archive(), Compression::Zstd);
    assert_eq!(summary.warnings, ["the media type says `zstd`, the bytes are `not compressed`"]);
    let xz = refusal(b"\xfd7zXZ\0\0\0", Compression::None);
    assert_eq!(xz, "it is compressed with `xz`, which images may not be; gzip, zstd and none are possible");
}

#[test]
fn damaged_and_truncated_streams_are_refused() {
    for (compressed, compression) in
        [(gzip(&archive()), Compression::Gzip), (zstd(&archive()), Compression::Zstd)]
    {
        let half = refusal(&compressed[..compressed.len() / 2], compression);
        assert!(half.starts_with("its compressed data end too early"), "{half}");
        let mut damaged = compressed.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0xaa);
        let damaged = refusal(&damaged, compression);
        assert!(damaged.contains("damaged"), "{damaged}");
    }
    let mut wrong_checksum = gzip(&archive());
    let end = wrong_checksum.len();
    wrong_checksum[end - 6] ^= 1;
    assert!(refusal(&wrong_checksum, Compression::Gzip).contains("damaged"));
    let html = refusal(b"<!doctype html><title>404</title>", Compression::Gzip);
    assert_eq!(html, "its archive is damaged at byte 33: it ends within a block");
}

#[test]
fn a_source_that_fails_is_told_from_damaged_data() {
    struct Failing(Vec<u8>, usize);
    impl Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let rest = &self.0[self.1..];
            if rest.is_empty() {
                return Err(io::Error::new(io::ErrorKind::ConnectionReset, "reset by peer"));
            }
            let count = rest.len().min(out.len()).min(1000);
            out[..count].copy_from_slice(&rest[..count]);
            self.1 += count;
            Ok(count)
        }
    }
    for (compressed, compression) in [
        (archive(), Compression::None),
        (gzip(&archive()), Compression::Gzip),
        (zstd(&archive()), Compression::Zstd),
    ] {
        let half = compressed[..compressed.len() / 2].to_vec();
        match unpack(Failing(half, 0), compression, &LayerLimits::default()) {
            Err(LayerError::Read(cause)) => assert_eq!(cause.to_string(), "reset by peer"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_layer_that_inflates_beyond_its_limits_is_refused_while_it_streams() {
    let limits = LayerLimits { max_unpacked_bytes: 64 << 20, ..LayerLimits::default() };
    let ratio = LayerLimits { ratio_free_bytes: 16 << 20, max_ratio: 100, ..LayerLimits::default() };
    // The archive promises 8 GiB of zeros; it must be refused long before they have been read.
    let bomb = || {
        let header = Header { size: 8 << 30, ..Header::new(b'0', "bomb") };
        io::Cursor::new(Archive::default().header(&header).0).chain(io::repeat(0).take(8 << 30))
    };
    let sentence = |stream: Box<dyn Read>, compression, limits: &LayerLimits| {
        let file = tempfile::tempfile().unwrap();
        match write_erofs(stream, compression, limits, &file) {
            Err(LayerError::TooLarge(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    };
    let plain = sentence(Box::new(bomb()), Compression::None, &limits);
    assert_eq!(plain, "its inflated archive is larger than 64 MiB");
    let gzipped = flate2::read::GzEncoder::new(bomb(), flate2::Compression::fast());
    let gzipped = sentence(Box::new(gzipped), Compression::Gzip, &ratio);
    assert!(gzipped.starts_with("it inflates to more than 100 times its size"), "{gzipped}");
    let zstd = ::zstd::stream::read::Encoder::new(bomb(), 1).unwrap();
    let zstd = sentence(Box::new(zstd), Compression::Zstd, &ratio);
    assert!(zstd.starts_with("it inflates to more than 100 times its size"), "{zstd}");
    // Also behind the end of the archive.
    let tail = gzip(&[archive(), vec![0; 80 << 20]].concat());
    assert!(unpack(tail.as_slice(), Compression::Gzip, &limits).is_err());
}

#[test]
fn a_frame_with_a_window_of_gigabytes_is_refused() {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.write_all(&archive()).unwrap();
    let sentence = refusal(&encoder.finish().unwrap(), Compression::Zstd);
    assert!(sentence.contains("too much memory"), "{sentence}");
}

#[test]
fn media_types_of_layers_name_their_compression() {
    let of = Compression::of_media_type;
    assert_eq!(of("application/vnd.oci.image.layer.v1.tar+zstd"), Some(Compression::Zstd));
    assert_eq!(of("application/vnd.docker.image.rootfs.diff.tar.gzip"), Some(Compression::Gzip));
    assert_eq!(of("application/vnd.oci.image.layer.v1.tar"), Some(Compression::None));
    assert_eq!(of("application/vnd.in-toto+json"), None);
}
