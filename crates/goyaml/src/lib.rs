//! YAML and JSON as Go's libraries read and write them, to the byte.
