//! Preloaded into a process whose clock is to jump, and handed on to those that it starts: the time of day is
//! the kernel's plus the seconds that stand in the file that `BED_CLOCK` names. Nothing else of time is
//! touched; deadlines that are kept by the monotonic clock do not notice.
#![no_std]

use core::ffi::{c_char, c_int, c_long, c_void};
use core::ptr::null;

#[repr(C)]
pub struct Time {
    seconds: i64,
    nanos: i64,
}

const REALTIME: c_int = 0;
const REALTIME_COARSE: c_int = 5;
#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn getenv(name: *const c_char) -> *const c_char;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn read(file: c_int, bytes: *mut u8, most: usize) -> isize;
    fn close(file: c_int) -> c_int;
}

/// The C library's function of this name, which the Rust library asks for the time.
///
/// # Safety
/// As for that of the C library: `time` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Time) -> c_int {
    // SAFETY: the arguments are those that the system call takes.
    let done = unsafe { syscall(CLOCK_GETTIME, clock, time) };
    if done == 0 && (clock == REALTIME || clock == REALTIME_COARSE) {
        // SAFETY: the kernel has just written there.
        unsafe { (*time).seconds += offset() };
    }
    done as c_int
}

/// Most variables of a process that is started; the platform gives its own one or two.
const VARIABLES: usize = 16;

type Spawn = unsafe extern "C" fn(
    *mut c_int,
    *const c_char,
    *const c_void,
    *const c_void,
    *const *mut c_char,
    *const *const c_char,
) -> c_int;

/// The C library's function of this name, by which the Rust library starts programs: the clock goes with
/// them.
///
/// # Safety
/// As for that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_spawnp(
    pid: *mut c_int,
    path: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: *const *mut c_char,
    variables: *const *const c_char,
) -> c_int {
    const NEXT: *mut c_void = usize::MAX as *mut c_void;
    let mut all: [*const c_char; VARIABLES + 3] = [null(); VARIABLES + 3];
    // SAFETY: the list ends with null, the two names are prefixes of strings that are variables of this
    // process, and the next function of this name has the type of this one.
    unsafe {
        let mut count = 0;
        while count < VARIABLES && !(*variables.add(count)).is_null() {
            all[count] = *variables.add(count);
            count += 1;
        }
        for (name, length) in [(c"LD_PRELOAD".as_ptr(), 11), (c"BED_CLOCK".as_ptr(), 10)] {
            let value = getenv(name);
            if !value.is_null() {
                // A variable stands in the environment as one string, its name and `=` before its value.
                all[count] = value.sub(length);
                count += 1;
            }
        }
        let next: Spawn = core::mem::transmute(dlsym(NEXT, c"posix_spawnp".as_ptr()));
        next(pid, path, actions, attributes, arguments, all.as_ptr())
    }
}

fn offset() -> i64 {
    const CLOSE_ON_EXEC: c_int = 0o2_000_000;
    let mut text = [0; 32];
    // SAFETY: the strings end with a zero, the buffer is as long as is said, the file is closed.
    let length = unsafe {
        let path = getenv(c"BED_CLOCK".as_ptr());
        if path.is_null() {
            return 0;
        }
        let file = open(path, CLOSE_ON_EXEC);
        if file < 0 {
            return 0;
        }
        let length = read(file, text.as_mut_ptr(), text.len());
        close(file);
        length
    };
    let mut offset = 0_i64;
    let (mut sign, mut at) = (1, 0);
    while at < text.len() && (at as isize) < length {
        match text[at] {
            b'-' => sign = -1,
            digit @ b'0'..=b'9' => offset = offset * 10 + i64::from(digit - b'0'),
            _ => {}
        }
        at += 1;
    }
    sign * offset
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
