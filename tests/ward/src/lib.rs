//! Real mail and DNS servers for the trials in `tests/`, each trial in namespaces of its own.
