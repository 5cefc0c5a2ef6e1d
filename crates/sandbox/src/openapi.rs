//! OpenAPI documents of a logical cluster.

use crate::cluster::ClusterState;
use crate::status::Status;

/// Answers a path below `/openapi`.
///
/// # Errors
/// `NotFound` for groups this cluster does not serve.
pub(crate) fn answer(_cluster: &ClusterState, path: &[&str]) -> Result<Vec<u8>, Status> {
    Err(Status::not_implemented(&format!(
        "openapi/{}",
        path.join("/")
    )))
}
