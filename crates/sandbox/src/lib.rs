//! A Kubernetes-compatible API server in the process with many logical clusters.
