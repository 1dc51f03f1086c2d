//! Puts a filter in force.

use std::io;

use libc::sock_filter;

/// Filters every later system call of this thread and of whatever it starts, for good.
///
/// The caller has `no_new_privs` or CAP_SYS_ADMIN. Neither allocates nor locks, so it may be called
/// between `fork` and `exec`.
///
/// # Errors
/// EACCES without either of the two, EINVAL for a program that the kernel refuses or cannot run.
pub fn install(program: &[sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel only reads `program` and the instructions it points to, both of which
    // outlive the call, and takes as many of them as `len` says.
    let answer = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER as libc::c_ulong, &raw const program)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
