//! Volumes whose archive is their content.

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use mirage_core::port::{Archive, VolumeSize, VolumeStore};
use mirage_core::{Code, Error, Result, VolumeId};

use crate::World;

#[async_trait]
impl VolumeStore for World {
    async fn size(&self, id: VolumeId) -> Result<Option<VolumeSize>> {
        let size = |data: &Vec<u8>| VolumeSize { bytes: data.len() as u64, complete: true };
        Ok(self.volumes.lock().unwrap().get(&id).map(size))
    }

    async fn remove(&self, id: VolumeId) -> Result<()> {
        self.volumes.lock().unwrap().remove(&id);
        Ok(())
    }

    async fn backup(&self, id: VolumeId) -> Result<Archive> {
        let data = self.volumes.lock().unwrap().get(&id).cloned();
        let data = data.ok_or_else(|| Error::new(Code::NotFound, "the volume has no data yet"))?;
        let (head, tail) = data.split_at(data.len() / 2);
        Ok(stream::iter(vec![Ok(head.to_vec()), Ok(tail.to_vec())]).boxed())
    }

    async fn restore(&self, id: VolumeId, archive: Archive) -> Result<()> {
        let pieces: Vec<Vec<u8>> = archive.try_collect().await?;
        self.volumes.lock().unwrap().insert(id, pieces.concat());
        Ok(())
    }
}
