//! The program in the demo's image: a web server without a C library, a few kilobytes, so that the
//! image needs no other file. It answers every request with a greeting, writes a line for each to
//! its output, and ends on SIGTERM.
#![no_std]
#![no_main]

use core::arch::asm;
use core::mem::MaybeUninit;

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 50\r\nConnection: close\r\n\r\n\
Hello from a container that Mirage deployed here.\n";
const READY: &[u8] = b"listening on 0.0.0.0:8080\n";
const ANSWERED: &[u8] = b"answered a request\n";
const BYE: &[u8] = b"asked to stop\n";

#[cfg(target_arch = "x86_64")]
mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const SOCKET: usize = 41;
    pub const ACCEPT4: usize = 288;
    pub const BIND: usize = 49;
    pub const LISTEN: usize = 50;
    pub const SETSOCKOPT: usize = 54;
    pub const EXIT: usize = 60;
    pub const SIGPROCMASK: usize = 14;
    pub const PPOLL: usize = 271;
    pub const SIGNALFD4: usize = 289;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const CLOSE: usize = 57;
    pub const SOCKET: usize = 198;
    pub const ACCEPT4: usize = 242;
    pub const BIND: usize = 200;
    pub const LISTEN: usize = 201;
    pub const SETSOCKOPT: usize = 208;
    pub const EXIT: usize = 93;
    pub const SIGPROCMASK: usize = 135;
    pub const PPOLL: usize = 73;
    pub const SIGNALFD4: usize = 74;
}

/// One system call; unused arguments are zero.
fn call(number: usize, a: [usize; 5]) -> isize {
    let result: isize;
    // SAFETY: every pointer passed below points to a live value of the size that is passed with it.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
             in("r10") a[3], in("r8") a[4], out("rcx") _, out("r11") _);
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a[0] => result, in("x1") a[1], in("x2") a[2],
             in("x3") a[3], in("x4") a[4]);
    }
    result
}

fn write(to: usize, bytes: &[u8]) {
    call(number::WRITE, [to, bytes.as_ptr() as usize, bytes.len(), 0, 0]);
}

fn exit(code: usize) -> ! {
    call(number::EXIT, [code, 0, 0, 0, 0]);
    loop {}
}

#[repr(C)]
struct Poll {
    descriptor: i32,
    events: i16,
    returned: i16,
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    // The first process of a container gets only signals it asks for: SIGTERM (15) as a descriptor.
    let mask: u64 = 1 << (15 - 1);
    let mask_at = &raw const mask as usize;
    call(number::SIGPROCMASK, [0, mask_at, 0, 8, 0]);
    let signals = call(number::SIGNALFD4, [usize::MAX, mask_at, 8, 0, 0]);

    let socket = call(number::SOCKET, [2, 1, 0, 0, 0]);
    let one: i32 = 1;
    call(number::SETSOCKOPT, [socket as usize, 1, 2, &raw const one as usize, 4]);
    // AF_INET, port 8080, any address.
    let address: [u8; 16] = [2, 0, 0x1f, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    if socket < 0
        || call(number::BIND, [socket as usize, address.as_ptr() as usize, 16, 0, 0]) < 0
        || call(number::LISTEN, [socket as usize, 128, 0, 0, 0]) < 0
    {
        exit(1);
    }
    write(1, READY);
    loop {
        let mut wanted = [
            Poll { descriptor: socket as i32, events: 1, returned: 0 },
            Poll { descriptor: signals as i32, events: 1, returned: 0 },
        ];
        call(number::PPOLL, [wanted.as_mut_ptr() as usize, 2, 0, 0, 0]);
        if wanted[1].returned != 0 {
            write(1, BYE);
            exit(0);
        }
        if wanted[0].returned != 0 {
            answer(socket as usize);
        }
    }
}

fn answer(socket: usize) {
    let peer = call(number::ACCEPT4, [socket, 0, 0, 0, 0]);
    if peer < 0 {
        return;
    }
    // Never looked at, so never filled: there is no `memset` here.
    let mut request = MaybeUninit::<[u8; 4096]>::uninit();
    if call(number::READ, [peer as usize, request.as_mut_ptr() as usize, 4096, 0, 0]) > 0 {
        write(peer as usize, PAGE);
        write(1, ANSWERED);
    }
    call(number::CLOSE, [peer as usize, 0, 0, 0, 0]);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(2)
}
