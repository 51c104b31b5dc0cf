//! Health, metrics, JSON and the status page, on a listener of their own.
