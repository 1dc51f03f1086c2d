//! Loop devices, for kernels that cannot mount a file as it is (`loop(4)`).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

const LOOP_CONFIGURE: u8 = 0x0a;
const LOOP_CTL_GET_FREE: u8 = 0x82;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const ATTEMPTS: u32 = 16;

/// `struct loop_config` of `linux/loop.h`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `struct loop_info64` of `linux/loop.h`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

mod ioctl {
    // The numbers carry neither size nor direction.
    nix::ioctl_none_bad!(get_free, 0x4c00 | super::LOOP_CTL_GET_FREE as libc::c_ulong);
    nix::ioctl_write_ptr_bad!(configure, 0x4c00 | super::LOOP_CONFIGURE as libc::c_ulong, super::LoopConfig);
}

/// A loop device over a file, read-only, gone when its last user is.
pub(super) struct LoopDevice {
    path: PathBuf,
    _device: File,
}

impl LoopDevice {
    /// Finds a free device and puts the file behind it.
    pub(super) fn attach(image: &Path) -> io::Result<Self> {
        let image = File::open(image)?;
        let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
        for _ in 0..ATTEMPTS {
            // SAFETY: the request takes no argument and returns a number.
            let number = unsafe { ioctl::get_free(control.as_raw_fd()) }?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = OpenOptions::new().read(true).open(&path)?;
            // SAFETY: `config` is the structure this request reads, and lives through the call.
            match unsafe { ioctl::configure(device.as_raw_fd(), &config(&image)) } {
                Ok(_) => return Ok(Self { path, _device: device }),
                // Somebody else was quicker with this device.
                Err(Errno::EBUSY) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::EBUSY.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file behind a loop device, or the path itself where it is none.
    pub(super) fn backing_file(path: PathBuf) -> PathBuf {
        let name =
            path.strip_prefix("/dev").ok().and_then(Path::to_str).filter(|name| name.starts_with("loop"));
        let Some(name) = name else { return path };
        match fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")) {
            Ok(file) => PathBuf::from(file.trim_end_matches('\n')),
            Err(_) => path,
        }
    }
}

fn config(image: &File) -> LoopConfig {
    LoopConfig {
        fd: image.as_raw_fd().unsigned_abs(),
        block_size: 0,
        info: LoopInfo {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
            file_name: [0; 64],
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        },
        reserved: [0; 8],
    }
}
