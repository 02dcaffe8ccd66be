//! Names of errors and signals, as the headers of the operating systems define them.

/// A family of operating systems that share their numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum System {
    Darwin,
    Linux,
    Windows,
}

/// The name of an `errno`.
pub(super) fn errno(system: System, number: i64) -> Option<&'static str> {
    match system {
        System::Linux => named(&[COMMON_ERRORS, LINUX_ERRORS], number),
        System::Darwin if number == 11 => Some("EDEADLK"),
        System::Darwin => named(&[COMMON_ERRORS, DARWIN_ERRORS], number),
        System::Windows => match number {
            15 | 26 => None,
            1..=34 => named(&[COMMON_ERRORS], number),
            36 => Some("EDEADLK"),
            38 => Some("ENAMETOOLONG"),
            39 => Some("ENOLCK"),
            40 => Some("ENOSYS"),
            41 => Some("ENOTEMPTY"),
            42 => Some("EILSEQ"),
            80 => Some("STRUNCATE"),
            _ => named(&[WINDOWS_ERRORS], number.saturating_sub(99)),
        },
    }
}

/// The name of a signal.
pub(super) fn signal(system: System, number: i64) -> Option<&'static str> {
    match system {
        System::Linux => named(&[LINUX_SIGNALS], number),
        System::Darwin => named(&[DARWIN_SIGNALS], number),
        System::Windows => match number {
            2 => Some("SIGINT"),
            4 => Some("SIGILL"),
            8 => Some("SIGFPE"),
            11 => Some("SIGSEGV"),
            15 => Some("SIGTERM"),
            21 => Some("SIGBREAK"),
            22 => Some("SIGABRT"),
            _ => None,
        },
    }
}

/// The name of the `si_code` that came with a signal.
pub(super) fn signal_code(system: System, signal: &str, code: i64) -> Option<&'static str> {
    let names = match (system, signal) {
        (System::Windows, _) => return None,
        (System::Darwin, "SIGILL") => {
            "ILL_ILLOPC ILL_ILLTRP ILL_PRVOPC ILL_ILLOPN ILL_ILLADR ILL_PRVREG ILL_COPROC ILL_BADSTK"
        }
        (System::Darwin, "SIGFPE") => {
            "FPE_FLTDIV FPE_FLTOVF FPE_FLTUND FPE_FLTRES FPE_FLTINV FPE_FLTSUB FPE_INTDIV FPE_INTOVF"
        }
        (System::Darwin, "SIGSEGV") => "SEGV_MAPERR SEGV_ACCERR",
        (System::Darwin, "SIGBUS") => "BUS_ADRALN BUS_ADRERR BUS_OBJERR",
        (System::Darwin, "SIGTRAP") => "TRAP_BRKPT TRAP_TRACE",
        (System::Linux, "SIGILL") => {
            "ILL_ILLOPC ILL_ILLOPN ILL_ILLADR ILL_ILLTRP ILL_PRVOPC ILL_PRVREG ILL_COPROC ILL_BADSTK"
        }
        (System::Linux, "SIGFPE") => {
            "FPE_INTDIV FPE_INTOVF FPE_FLTDIV FPE_FLTOVF FPE_FLTUND FPE_FLTRES FPE_FLTINV FPE_FLTSUB"
        }
        (System::Linux, "SIGSEGV") => "SEGV_MAPERR SEGV_ACCERR SEGV_BNDERR SEGV_PKUERR",
        (System::Linux, "SIGBUS") => "BUS_ADRALN BUS_ADRERR BUS_OBJERR BUS_MCEERR_AR BUS_MCEERR_AO",
        (System::Linux, "SIGTRAP") => "TRAP_BRKPT TRAP_TRACE TRAP_BRANCH TRAP_HWBKPT",
        (System::Linux, "SIGIO") => "POLL_IN POLL_OUT POLL_MSG POLL_ERR POLL_PRI POLL_HUP",
        (System::Linux, "SIGSYS") => "SYS_SECCOMP",
        (_, "SIGCHLD") => "CLD_EXITED CLD_KILLED CLD_DUMPED CLD_TRAPPED CLD_STOPPED CLD_CONTINUED",
        _ => return None,
    };
    named(&[names], code)
}

/// The name of a Mach exception.
pub(super) fn mach_exception(number: i64) -> Option<&'static str> {
    named(&[MACH_EXCEPTIONS], number)
}

/// The word at a position, counted from 1 through all lists. A dash is no name.
fn named(lists: &[&'static str], number: i64) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    lists.iter().flat_map(|list| list.split(' ')).nth(index).filter(|name| *name != "-")
}

/// 1 to 34; all systems agree on most of them.
const COMMON_ERRORS: &str = "\
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT \
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG \
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE";

/// From 35 on.
const LINUX_ERRORS: &str = "\
    EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT \
    EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT \
    ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP \
    EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC \
    EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT \
    EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE \
    EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN \
    ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY \
    EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE \
    ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL \
    EHWPOISON";

/// From 35 on.
const DARWIN_ERRORS: &str = "\
    EAGAIN EINPROGRESS EALREADY ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT \
    EPROTONOSUPPORT ESOCKTNOSUPPORT ENOTSUP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL \
    ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN \
    ETOOMANYREFS ETIMEDOUT ECONNREFUSED ELOOP ENAMETOOLONG EHOSTDOWN EHOSTUNREACH ENOTEMPTY \
    EPROCLIM EUSERS EDQUOT ESTALE EREMOTE EBADRPC ERPCMISMATCH EPROGUNAVAIL EPROGMISMATCH \
    EPROCUNAVAIL ENOLCK ENOSYS EFTYPE EAUTH ENEEDAUTH EPWROFF EDEVERR EOVERFLOW EBADEXEC \
    EBADARCH ESHLIBVERS EBADMACHO ECANCELED EIDRM ENOMSG EILSEQ ENOATTR EBADMSG EMULTIHOP \
    ENODATA ENOLINK ENOSR ENOSTR EPROTO ETIME EOPNOTSUPP ENOPOLICY ENOTRECOVERABLE EOWNERDEAD \
    EQFULL";

/// From 100 on.
const WINDOWS_ERRORS: &str = "\
    EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EALREADY EBADMSG ECANCELED ECONNABORTED ECONNREFUSED \
    ECONNRESET EDESTADDRREQ EHOSTUNREACH EIDRM EINPROGRESS EISCONN ELOOP EMSGSIZE ENETDOWN \
    ENETRESET ENETUNREACH ENOBUFS ENODATA ENOLINK ENOMSG ENOPROTOOPT ENOSR ENOSTR ENOTCONN \
    ENOTRECOVERABLE ENOTSOCK ENOTSUP EOPNOTSUPP EOTHER EOVERFLOW EOWNERDEAD EPROTO \
    EPROTONOSUPPORT EPROTOTYPE ETIME ETIMEDOUT ETXTBSY EWOULDBLOCK";

/// From 1 on.
const LINUX_SIGNALS: &str = "\
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 \
    SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG \
    SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS";

/// From 1 on.
const DARWIN_SIGNALS: &str = "\
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGEMT SIGFPE SIGKILL SIGBUS SIGSEGV SIGSYS \
    SIGPIPE SIGALRM SIGTERM SIGURG SIGSTOP SIGTSTP SIGCONT SIGCHLD SIGTTIN SIGTTOU SIGIO SIGXCPU \
    SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGINFO SIGUSR1 SIGUSR2";

/// From 1 on.
const MACH_EXCEPTIONS: &str = "\
    EXC_BAD_ACCESS EXC_BAD_INSTRUCTION EXC_ARITHMETIC EXC_EMULATION EXC_SOFTWARE EXC_BREAKPOINT \
    EXC_SYSCALL EXC_MACH_SYSCALL EXC_RPC_ALERT EXC_CRASH EXC_RESOURCE EXC_GUARD \
    EXC_CORPSE_NOTIFY";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_names() {
        assert_eq!(errno(System::Linux, 2), Some("ENOENT"));
        assert_eq!(errno(System::Linux, 11), Some("EAGAIN"));
        assert_eq!(errno(System::Linux, 41), None);
        assert_eq!(errno(System::Linux, 133), Some("EHWPOISON"));
        assert_eq!(errno(System::Linux, 134), None);
        assert_eq!(errno(System::Darwin, 11), Some("EDEADLK"));
        assert_eq!(errno(System::Darwin, 35), Some("EAGAIN"));
        assert_eq!(errno(System::Darwin, 106), Some("EQFULL"));
        assert_eq!(errno(System::Windows, 15), None);
        assert_eq!(errno(System::Windows, 42), Some("EILSEQ"));
        assert_eq!(errno(System::Windows, 99), None);
        assert_eq!(errno(System::Windows, 140), Some("EWOULDBLOCK"));
        assert_eq!(signal(System::Linux, 31), Some("SIGSYS"));
        assert_eq!(signal(System::Darwin, 10), Some("SIGBUS"));
        assert_eq!(signal(System::Windows, 22), Some("SIGABRT"));
        assert_eq!(signal_code(System::Linux, "SIGSEGV", 2), Some("SEGV_ACCERR"));
        assert_eq!(signal_code(System::Windows, "SIGSEGV", 2), None);
        assert_eq!(mach_exception(13), Some("EXC_CORPSE_NOTIFY"));
        for number in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(errno(System::Windows, number), None);
            assert_eq!(signal(System::Linux, number), None);
        }
    }
}
