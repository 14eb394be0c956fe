//! The packet socket: the one place where the kernel is spoken to without a safe wrapper.
//!
//! An `AF_PACKET` socket of type `SOCK_DGRAM` gives packets from their IP header on, whatever the interface. It is
//! opened with protocol 0, which receives nothing; the filter is attached; only then is it bound to every protocol
//! and interface, so that no packet gets in unfiltered. Nothing is ever sent through it.

#![allow(
    unsafe_code,
    reason = "the kernel's interface to packet sockets (addresses, time stamps, statistics, namespaces) has no safe wrapper"
)]

use std::fs::File;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, SystemTime};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, SockFilter, Socket, Type};

/// How long a read waits for a packet before it looks whether it is to end.
const WAIT: Duration = Duration::from_millis(50);

/// Room for packets that wait to be read, in octets: a second's worth at a busy server.
const BUFFER_OCTETS: usize = 8 * 1024 * 1024;

/// Room for the control messages of one packet: a time stamp and its header, several times over.
const CONTROL_OCTETS: usize = 128;

/// A packet that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived {
    /// How many octets of it are in the buffer.
    pub(super) held: usize,
    /// How many octets it has; more than `held` where the buffer was too small.
    pub(super) length: usize,
    /// How long ago the kernel saw it.
    pub(super) age: Duration,
    /// It left this machine (or this namespace).
    pub(super) outgoing: bool,
    /// It is the outgoing half of a packet on the loopback interface, whose incoming half is seen as well.
    pub(super) doubled: bool,
}

/// An open packet socket.
#[derive(Debug)]
pub(super) struct Tap {
    socket: Socket,
}

impl Tap {
    /// Opens a socket in the network namespace of the calling thread that sees what `filter` lets through.
    ///
    /// # Errors
    /// The kernel's: `PermissionDenied` without `CAP_NET_RAW`.
    pub(super) fn open(filter: &[SockFilter]) -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
        socket.attach_filter(filter)?;
        socket.set_read_timeout(Some(WAIT))?;
        // The larger buffer is a wish: with less, a loss is only likelier, and a loss is counted.
        let _ = socket.set_recv_buffer_size(BUFFER_OCTETS);
        switch_on(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)?;
        socket.bind(&every_interface())?;
        Ok(Self { socket })
    }

    /// Waits a moment for a packet; `None` where none came.
    ///
    /// # Errors
    /// The kernel's, such as an interface that went down.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Arrived>> {
        let mut from = MaybeUninit::<libc::sockaddr_ll>::zeroed();
        let mut control = Control([0; CONTROL_OCTETS]);
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: `msghdr` is a C struct for which all zeroes is a value, on every libc.
        let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        header.msg_name = from.as_mut_ptr().cast();
        header.msg_namelen = socklen::<libc::sockaddr_ll>();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_OCTETS as _;
        // SAFETY: the header points at `from`, `part` (and through it at `buffer`) and `control`, which all outlive
        // the call, with their true lengths; the kernel writes no more than those.
        let length = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut header, libc::MSG_TRUNC) };
        let Ok(length) = usize::try_from(length) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        };
        // SAFETY: zeroed above, and `sockaddr_ll` is valid for any bits the kernel writes.
        let from = unsafe { from.assume_init() };
        let outgoing = from.sll_pkttype == libc::PACKET_OUTGOING;
        Ok(Some(Arrived {
            held: length.min(buffer.len()),
            length,
            age: stamp(&header).and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default(),
            outgoing,
            doubled: outgoing && from.sll_hatype == libc::ARPHRD_LOOPBACK,
        }))
    }

    /// How many packets the kernel had no room for since the last call.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn dropped(&self) -> io::Result<u64> {
        let mut counts = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut length = socklen::<libc::tpacket_stats>();
        // SAFETY: `counts` and `length` outlive the call, and `length` is the size of `counts`.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut counts).cast(),
                &raw mut length,
            )
        };
        if result == 0 { Ok(u64::from(counts.tp_drops)) } else { Err(io::Error::last_os_error()) }
    }
}

/// Moves the calling thread, and nothing else of this process, into a network namespace.
///
/// # Errors
/// The kernel's: `PermissionDenied` without `CAP_SYS_ADMIN`.
pub(super) fn enter_network(namespace: &File) -> io::Result<()> {
    // SAFETY: the call takes no pointer; the descriptor is open as long as `namespace` is borrowed.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for control messages, as their headers are aligned.
#[repr(align(8))]
struct Control([u8; CONTROL_OCTETS]);

fn socklen<T>() -> libc::socklen_t {
    // A few dozen octets: it fits.
    size_of::<T>() as libc::socklen_t
}

fn switch_on(socket: RawFd, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int that outlives the call, and its true size is given.
    let result = unsafe { libc::setsockopt(socket, level, option, (&raw const on).cast(), socklen::<libc::c_int>()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The address that means every protocol on every interface.
fn every_interface() -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is the address type of this family, and smaller than the storage.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: the storage holds a whole `sockaddr_ll`, and the length is that type's.
    unsafe { SockAddr::new(storage, socklen::<libc::sockaddr_ll>()) }
}

/// When the kernel saw the packet, by its own clock.
fn stamp(header: &libc::msghdr) -> Option<SystemTime> {
    // SAFETY: the header was filled by `recvmsg`, and the buffer it points at is still there.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: not null, so it points at a control message header within that buffer.
        let (level, kind) = unsafe { ((*message).cmsg_level, (*message).cmsg_type) };
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
            // SAFETY: a message of this type carries one `timespec`, which may lie unaligned.
            let at: libc::timespec = unsafe { libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned() };
            let (seconds, nanos) = (u64::try_from(at.tv_sec).ok()?, u32::try_from(at.tv_nsec).ok()?);
            return SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos));
        }
        // SAFETY: both point into the buffer that `recvmsg` filled; null comes after the last.
        message = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    None
}
