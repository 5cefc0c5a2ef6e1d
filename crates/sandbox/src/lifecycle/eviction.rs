//! Eviction of pods, as far as disruption budgets allow.

use apimachinery::selectors::LabelSelector;
use http::StatusCode;
use serde_json::{Value, json};

use crate::object;
use crate::rest::Call;
use crate::rest::delete::{self, DeleteOptions};
use crate::rest::local::Local;
use crate::status::Status;

/// Deletes the pod named by the call unless a PodDisruptionBudget forbids it.
///
/// # Errors
/// `TooManyRequests` when no disruption is allowed, and what a deletion answers.
pub(crate) fn evict(call: &mut Call, eviction: &Value) -> Result<Value, Status> {
    let pod = call.decode(&*call.entry()?)?;
    let options: DeleteOptions = match eviction.get("deleteOptions") {
        Some(options) if !options.is_null() => serde_json::from_value(options.clone())
            .map_err(|error| Status::bad_request(format!("malformed deleteOptions: {error}")))?,
        _ => DeleteOptions::default(),
    };
    let finished = matches!(
        object::str_at(&pod, &["status", "phase"]),
        "Succeeded" | "Failed" | "Pending" | ""
    );
    if !finished && let Some(budget) = exhausted_budget(call, &pod) {
        let mut status = Status::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        );
        let message = format!("The disruption budget {budget} does not allow evicting pods now");
        status.details = json!({"causes": [{"reason": "DisruptionBudget", "message": message}]});
        return Err(status);
    }
    call.subresource.clear();
    delete::delete(call, &options)?;
    Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
}

/// The name of a budget that covers the pod and allows no disruption.
fn exhausted_budget(call: &Call, pod: &Value) -> Option<String> {
    let local = Local::new(std::sync::Arc::clone(&call.cluster), "eviction");
    let budgets = local.resource("policy/v1", "PodDisruptionBudget").ok()?;
    local
        .list(&budgets, Some(&call.namespace))
        .into_iter()
        .find_map(|budget| {
            let selector =
                LabelSelector::from_object(object::at(&budget, &["spec", "selector"])?).ok()?;
            let allowed = object::at(&budget, &["status", "disruptionsAllowed"])
                .and_then(Value::as_i64)
                .unwrap_or(0);
            let exhausted = selector.matches_object(pod) && allowed <= 0;
            exhausted.then(|| object::name(&budget).to_owned())
        })
}
