//! System call numbers of ARM: 64 bits and 32 bits (EABI).
//!
//! Source: `scripts/syscall.tbl` and `arch/arm/tools/syscall.tbl` of Linux 6.13.

/// 64 bits.
pub(super) const AARCH64: &[(u32, &str)] = &[
    (
        0,
        "io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr lgetxattr
         fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr getcwd
         lookup_dcookie eventfd2 epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl inotify_init1
         inotify_add_watch inotify_rm_watch ioctl ioprio_set ioprio_get flock mknodat mkdirat
         unlinkat symlinkat linkat renameat umount2 mount pivot_root nfsservctl statfs fstatfs
         truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod fchmodat fchownat fchown
         openat close vhangup pipe2 quotactl getdents64 lseek read write readv writev pread64
         pwrite64 preadv pwritev sendfile pselect6 ppoll signalfd4 vmsplice splice tee readlinkat
         newfstatat fstat sync fsync fdatasync sync_file_range timerfd_create timerfd_settime
         timerfd_gettime utimensat acct capget capset personality exit exit_group waitid
         set_tid_address unshare futex set_robust_list get_robust_list nanosleep getitimer setitimer
         kexec_load init_module delete_module timer_create timer_gettime timer_getoverrun
         timer_settime timer_delete clock_settime clock_gettime clock_getres clock_nanosleep syslog
         ptrace sched_setparam sched_setscheduler sched_getscheduler sched_getparam
         sched_setaffinity sched_getaffinity sched_yield sched_get_priority_max
         sched_get_priority_min sched_rr_get_interval restart_syscall kill tkill tgkill sigaltstack
         rt_sigsuspend rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo
         rt_sigreturn setpriority getpriority reboot setregid setgid setreuid setuid setresuid
         getresuid setresgid getresgid setfsuid setfsgid times setpgid getpgid getsid setsid
         getgroups setgroups uname sethostname setdomainname getrlimit setrlimit getrusage umask
         prctl getcpu gettimeofday settimeofday adjtimex getpid getppid getuid geteuid getgid
         getegid gettid sysinfo mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
         mq_getsetattr msgget msgctl msgrcv msgsnd semget semctl semtimedop semop shmget shmctl
         shmat shmdt socket socketpair bind listen accept connect getsockname getpeername sendto
         recvfrom setsockopt getsockopt shutdown sendmsg recvmsg readahead brk munmap mremap add_key
         request_key keyctl clone execve mmap fadvise64 swapon swapoff mprotect msync mlock munlock
         mlockall munlockall mincore madvise remap_file_pages mbind get_mempolicy set_mempolicy
         migrate_pages move_pages rt_tgsigqueueinfo perf_event_open accept4 recvmmsg",
    ),
    (
        260,
        "wait4 prlimit64 fanotify_init fanotify_mark name_to_handle_at open_by_handle_at clock_adjtime syncfs
         setns sendmmsg process_vm_readv process_vm_writev kcmp finit_module sched_setattr
         sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat userfaultfd membarrier
         mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx
         io_pgetevents rseq kexec_file_load",
    ),
];

/// 32 bits, EABI, with the private calls of the architecture from 0x0f0000 on.
pub(super) const ARM: &[(u32, &str)] = &[
    (
        0,
        "restart_syscall exit fork read write open close - creat link unlink execve chdir - mknod chmod
         lchown - - lseek getpid mount - setuid getuid - ptrace - - pause - - - access nice - sync
         kill rename mkdir rmdir dup pipe times - brk setgid getgid - geteuid getegid acct umount2 -
         ioctl fcntl - setpgid - - umask chroot ustat dup2 getppid getpgrp setsid sigaction - -
         setreuid setregid sigsuspend sigpending sethostname setrlimit - getrusage gettimeofday
         settimeofday getgroups setgroups - symlink - readlink uselib swapon reboot - - munmap
         truncate ftruncate fchmod fchown getpriority setpriority - statfs fstatfs - - syslog
         setitimer getitimer stat lstat fstat - - vhangup - - wait4 swapoff sysinfo - fsync
         sigreturn clone setdomainname uname - adjtimex mprotect sigprocmask - init_module
         delete_module - quotactl getpgid fchdir bdflush sysfs personality - setfsuid setfsgid
         _llseek getdents _newselect flock msync readv writev getsid fdatasync _sysctl mlock munlock
         mlockall munlockall sched_setparam sched_getparam sched_setscheduler sched_getscheduler
         sched_yield sched_get_priority_max sched_get_priority_min sched_rr_get_interval nanosleep
         mremap setresuid getresuid - - poll nfsservctl setresgid getresgid prctl rt_sigreturn
         rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend
         pread64 pwrite64 chown getcwd capget capset sigaltstack sendfile - - vfork ugetrlimit mmap2
         truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32 getgid32 geteuid32
         getegid32 setreuid32 setregid32 getgroups32 setgroups32 fchown32 setresuid32 getresuid32
         setresgid32 getresgid32 chown32 setuid32 setgid32 setfsuid32 setfsgid32 getdents64
         pivot_root mincore madvise fcntl64 - - gettid readahead setxattr lsetxattr fsetxattr
         getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr
         fremovexattr tkill sendfile64 futex sched_setaffinity sched_getaffinity io_setup io_destroy
         io_getevents io_submit io_cancel exit_group lookup_dcookie epoll_create epoll_ctl
         epoll_wait remap_file_pages - - set_tid_address timer_create timer_settime timer_gettime
         timer_getoverrun timer_delete clock_settime clock_gettime clock_getres clock_nanosleep
         statfs64 fstatfs64 tgkill utimes arm_fadvise64_64 pciconfig_iobase pciconfig_read
         pciconfig_write mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
         waitid socket bind connect listen accept getsockname getpeername socketpair send sendto
         recv recvfrom shutdown setsockopt getsockopt sendmsg recvmsg semop semget semctl msgsnd
         msgrcv msgget msgctl shmat shmdt shmget shmctl add_key request_key keyctl semtimedop
         vserver ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch mbind
         get_mempolicy set_mempolicy openat mkdirat mknodat fchownat futimesat fstatat64 unlinkat
         renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare
         set_robust_list get_robust_list splice arm_sync_file_range tee vmsplice move_pages getcpu
         epoll_pwait kexec_load utimensat signalfd timerfd_create eventfd fallocate timerfd_settime
         timerfd_gettime signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev
         rt_tgsigqueueinfo perf_event_open recvmmsg accept4 fanotify_init fanotify_mark prlimit64
         name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg setns process_vm_readv
         process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom
         memfd_create bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2
         pkey_mprotect pkey_alloc pkey_free statx rseq io_pgetevents migrate_pages kexec_file_load -
         clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 clock_nanosleep_time64
         timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64
         pselect6_time64 ppoll_time64 - io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64
         mq_timedreceive_time64 semtimedop_time64 rt_sigtimedwait_time64 futex_time64
         sched_rr_get_interval_time64",
    ),
    (983041, "breakpoint cacheflush usr26 usr32 set_tls"),
];
