//! Temporary.
use std::fs::File;
use std::io::Read;
use std::time::Instant;

use crate::layer::{Compression, LayerLimits, write_erofs, write_directory};

#[test]
#[ignore = "measurement"]
fn measure() {
    let folder = std::env::args().find_map(|a| a.strip_prefix("--layers=").map(str::to_owned)).unwrap_or_else(|| "/work/x-layers".into());
    let kind = std::fs::read_to_string("/work/x-mode").unwrap();
    let mode: Vec<&str> = kind.split_whitespace().collect();
    let mut layers: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().unwrap() == mode[0]).collect();
    layers.sort_by_key(|p| std::cmp::Reverse(p.metadata().unwrap().len()));
    let compression = match mode[0] { "gz" => Compression::Gzip, "zst" => Compression::Zstd, _ => Compression::None };
    let out = std::path::Path::new("/work/x-out");
    for _ in 0..5 {
        let _ = std::fs::remove_dir_all(out);
        std::fs::create_dir(out).unwrap();
        let started = Instant::now();
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(layer) = layers.get(at) else { break };
                    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
                    struct Hashing<'a, R>(R, &'a mut ring::digest::Context);
                    impl<R: Read> Read for Hashing<'_, R> {
                        fn read(&mut self, b: &mut [u8]) -> std::io::Result<usize> {
                            let n = self.0.read(b)?;
                            self.1.update(&b[..n]);
                            Ok(n)
                        }
                    }
                    let stream = Hashing(File::open(layer).unwrap(), &mut hash);
                    let name = out.join(at.to_string());
                    let t = Instant::now();
                    if mode[1] == "dir" {
                        std::fs::create_dir(&name).unwrap();
                        let s = write_directory(stream, compression, &LayerLimits::default(), &name).unwrap();
                        eprintln!("   {layer:?} {:?} {}", t.elapsed(), s.entries);
                    } else {
                    let file = File::create(&name).unwrap();
                    let s = write_erofs(stream, compression, &LayerLimits::default(), &file).unwrap();
                    let w = t.elapsed();
                    if mode[1] == "sync" { file.sync_all().unwrap(); }
                    eprintln!("   {layer:?} {w:?} +{:?} {} entries {} -> {}", t.elapsed() - w, s.entries, s.unpacked_bytes, file.metadata().unwrap().len());
                    }
                });
            }
        });
        let done = started.elapsed();
        nix::unistd::sync();
        eprintln!("{} {}: {done:?}, with sync {:?}", mode[0], mode[1], started.elapsed());
    }
}
