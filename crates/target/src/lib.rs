//! Which cluster gets which bundle with which options, in which partition, when.
