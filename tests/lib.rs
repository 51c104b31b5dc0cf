//! Nothing to export: this member holds tests only.
