//! A small real mail system that can be broken on purpose.
