//! What the parts have to say about this machine.

use std::sync::Arc;

use mirage_control::Finding;
use mirage_core::human_bytes;
use mirage_engine::local::LocalEngine;
use mirage_oci::content::ContentStore;

/// Below this much free disk a pull is likely to fail.
const LOW_DISK: u64 = 2 << 30;

/// A function that looks at the machine through the parts.
pub(crate) fn findings(
    engine: Arc<LocalEngine>,
    store: ContentStore,
) -> Arc<dyn Fn() -> Vec<Finding> + Send + Sync> {
    Arc::new(move || {
        let mut all: Vec<Finding> = engine
            .doctor()
            .into_iter()
            .map(|found| Finding {
                subject: found.subject.to_owned(),
                seen: found.message,
                hint: found.hint,
                domain: None,
            })
            .collect();
        all.push(Finding {
            subject: "layers".into(),
            seen: format!("{}, {}", store.format().as_str(), store.format_reason()),
            ..Finding::default()
        });
        all.push(disk(&store));
        all
    })
}

fn disk(store: &ContentStore) -> Finding {
    let subject = "disk".to_owned();
    match nix::sys::statvfs::statvfs(store.root()) {
        Ok(stat) => {
            let free = stat.blocks_available().saturating_mul(stat.fragment_size());
            let hint =
                (free < LOW_DISK).then(|| "free some space; images need room to be unpacked".to_owned());
            Finding { subject, seen: format!("{} free", human_bytes(free)), hint, domain: None }
        }
        Err(error) => Finding {
            subject,
            seen: format!("free space cannot be read: {error}"),
            hint: Some("check the data folder".into()),
            domain: None,
        },
    }
}
