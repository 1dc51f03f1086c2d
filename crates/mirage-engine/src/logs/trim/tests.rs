use std::fs::FileTimes;
use std::path::PathBuf;
use std::time::Duration;

use mirage_core::{DeploymentId, InstanceId};
use tempfile::TempDir;

use super::*;
use crate::logs::LogWriter;

/// Folders with segments that were written one second after another.
struct Service {
    dir: TempDir,
    second: u64,
}

impl Service {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), second: 0 }
    }

    fn instance(&self, number: u16) -> PathBuf {
        let mut id = [7; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let deployment = DeploymentId::from_random([u8::try_from(number % 3).unwrap(); 16]);
        self.dir.path().join(deployment.to_string()).join(InstanceId::from_random(id).to_string())
    }

    fn segment(&mut self, instance: u16, number: u64, bytes: usize) {
        let dir = self.instance(instance);
        std::fs::create_dir_all(&dir).unwrap();
        let path = segment::path(&dir, number);
        std::fs::write(&path, vec![b'\n'; bytes]).unwrap();
        self.second += 1;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.second);
        let file = File::options().write(true).open(path).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }

    fn segments(&self, instance: u16) -> Vec<u64> {
        segment::list(&self.instance(instance)).unwrap_or_default()
    }
}

#[test]
fn the_oldest_files_go_first_over_all_instances() {
    let mut service = Service::new();
    for (instance, number) in [(1, 0), (2, 0), (1, 1), (2, 1), (2, 2)] {
        service.segment(instance, number, 100);
    }
    assert_eq!(trim(service.dir.path(), 500).unwrap(), 0);
    assert_eq!(trim(service.dir.path(), 250).unwrap(), 300);
    assert_eq!((service.segments(1), service.segments(2)), (vec![], vec![1, 2]));
    assert!(!service.instance(1).exists(), "nothing is left of an instance without files");
    assert!(!service.instance(1).parent().unwrap().exists(), "nor of its deployment");
    assert!(service.instance(2).exists());
}

#[test]
fn what_is_being_written_stays() {
    let mut service = Service::new();
    service.segment(1, 0, 100);
    service.segment(1, 1, 100);
    let writer = LogWriter::open(&service.instance(1), 1 << 20).unwrap();
    assert_eq!(trim(service.dir.path(), 0).unwrap(), 200);
    assert_eq!(service.segments(1), [2]);
    drop(writer);
    trim(service.dir.path(), 0).unwrap();
    assert_eq!(service.segments(1), [2], "an empty file costs nothing");
    service.segment(1, 2, 1);
    trim(service.dir.path(), 0).unwrap();
    assert!(!service.instance(1).exists());
}

#[test]
fn a_service_that_crashes_all_day_keeps_its_last_instances_only() {
    let mut service = Service::new();
    let count = u16::try_from(ENDED_INSTANCES_MAX).unwrap() + 10;
    for instance in 0..count {
        service.segment(instance, 0, 1);
    }
    let _running = LogWriter::open(&service.instance(3), 1 << 20).unwrap();
    assert_eq!(trim(service.dir.path(), 1 << 20).unwrap(), 9);
    let gone: Vec<u16> = (0..count).filter(|instance| !service.instance(*instance).exists()).collect();
    assert_eq!(gone, [0, 1, 2, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_service_without_logs_needs_no_trimming() {
    assert_eq!(trim(Path::new("/nonexistent/service"), 0).unwrap(), 0);
}
