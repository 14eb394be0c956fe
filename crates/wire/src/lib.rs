//! Mail protocols between bytes and meaning: no sockets, no clock of its own.
