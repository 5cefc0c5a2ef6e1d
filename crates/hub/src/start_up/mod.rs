//! What must be there before an agent can register.
//!
//! * **Reads**: nothing but these objects.
//! * **Writes**: the system namespace and the one where answers to agents appear, and the two ClusterRoles that
//!   every agent has part of.
//! * **Woken by**: the start, and changes of the configuration.

use std::sync::Arc;

use api::labels::MANAGED;
use api::names::system_registration_namespace;
use apiclient::Kind;
use k8s_openapi::api::core::v1::Namespace;
use serde_json::json;
use workqueue::Next;

use crate::Ctx;
use crate::cluster_registration::plan::roles;
use crate::object_set::{ObjectSet, ensure};

#[derive(Debug, thiserror::Error)]
#[error("write {what}, without which no agent can register")]
struct Error {
    what: String,
    source: apiclient::Error,
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        Some(&self.source)
    }
}

/// One look.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, (): ()) -> Next {
    match write(&ctx).await {
        Ok(()) => Next::Done,
        Err(error) => {
            let key = apiclient::ObjectKey::new("", ctx.namespace.clone());
            crate::failure::next("startup", &key, &error)
        }
    }
}

async fn write(ctx: &Ctx) -> Result<(), Error> {
    let set = ObjectSet::of_nobody("fleet-bootstrap-data");
    let failed = |kind: &Kind, source| Error {
        what: kind.to_string(),
        source,
    };
    let kind = Kind::of::<Namespace>();
    for name in [
        ctx.namespace.clone(),
        system_registration_namespace(&ctx.namespace),
    ] {
        // Namespaces are never part of what is cleaned up.
        let object = json!({ "metadata": { "name": name } });
        let written = ensure(&ctx.client, &kind, object).await;
        written.map_err(|source| failed(&kind, source))?;
    }
    for (kind, object) in roles() {
        let mut object = set.mark(object);
        if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
            labels.remove(MANAGED);
        }
        let written = ensure(&ctx.client, &kind, object).await;
        written.map_err(|source| failed(&kind, source))?;
    }
    Ok(())
}
