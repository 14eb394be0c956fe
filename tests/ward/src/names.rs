//! Who is who on a trial's machine. All addresses lie in 198.18.0.0/15, which RFC 2544 sets aside for tests between devices and
//! which, unlike the documentation ranges, no rule takes for an address that cannot be reached.

/// The domain under test.
pub const DOMAIN: &str = "clinic.example";
/// Its mail server.
pub const MX: &str = "mx1.clinic.example";
/// The user whose mail is missed.
pub const USER: &str = "anna@clinic.example";
/// That user's password: with the characters that command lines and perl eat.
pub const PASSWORD: &str = "s3cret $word @home";
/// A recipient elsewhere, for relay tests. The domain resolves; nobody listens there.
pub const STRANGER: &str = "stranger@outside.example";

/// Where the mail server listens.
pub const MX_ADDRESS: &str = "198.18.25.10";
/// The same, where a trial gives it an IPv6 address ([`over_ipv6`](crate::Plan::over_ipv6)): of 2001:2::/48, which RFC 5180 sets aside.
pub const MX_ADDRESS_6: &str = "2001:2:0:25::10";
/// Where connections of the program come from.
pub const CLIENT_ADDRESS: &str = "198.18.25.99";
/// The same over IPv6.
pub const CLIENT_ADDRESS_6: &str = "2001:2:0:25::99";
/// The authoritative server as everybody, or as only the inside, sees it.
pub const AUTHORITATIVE: &str = "198.18.25.53";
/// The authoritative server that the outside sees, where that is another one.
pub const AUTHORITATIVE_OUTSIDE: &str = "198.18.25.56";
/// The resolver that the program is given as its own.
pub const RESOLVER: &str = "198.18.25.54";
/// The resolver that the servers ask, whose memory is its own.
pub const SERVER_RESOLVER: &str = "198.18.25.57";
/// A resolver "out there".
pub const FOREIGN_RESOLVER: &str = "198.18.25.55";
/// Name servers of other people, which a trial may fill with a responder of its own.
pub const THIRD_PARTY: &str = "198.18.25.66";
/// A second mail server, or what stands in front of the first.
pub const OTHER_ADDRESS: &str = "198.18.25.20";
/// An address that nobody ever put on an interface's neighbour: outside's own server.
pub const OUTSIDE_ADDRESS: &str = "198.18.25.80";

/// A place outside, behind a link of its own ([`Outside`](crate::Outside)).
pub const OUTSIDE_PLACE: &str = "198.18.25.200";
/// This machine's end of that link.
pub const INSIDE_LINK: &str = "198.18.25.201";
/// A second address of the place outside, which nobody has seen before.
pub const OUTSIDE_PLACE_SECOND: &str = "198.18.25.203";

/// Another place outside, behind another link.
pub const ANOTHER_PLACE: &str = "198.18.25.210";
/// This machine's end of that link.
pub const ANOTHER_LINK: &str = "198.18.25.211";

/// Every address the machine answers to.
pub const ADDRESSES: [&str; 10] = [
    MX_ADDRESS,
    CLIENT_ADDRESS,
    AUTHORITATIVE,
    AUTHORITATIVE_OUTSIDE,
    RESOLVER,
    SERVER_RESOLVER,
    FOREIGN_RESOLVER,
    THIRD_PARTY,
    OTHER_ADDRESS,
    OUTSIDE_ADDRESS,
];
