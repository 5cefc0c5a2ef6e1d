//! What people see of a BundleDeployment. Pure.

use api::conditions::{self, DEPLOYED, MONITORED, REASON_ERROR};
use api::state::State;
use api::v1alpha1::{BundleDeployment, BundleDeploymentDisplay, Condition};

/// The texts of `status.display`, from the conditions and the state.
pub(crate) fn display(deployment: &BundleDeployment) -> BundleDeploymentDisplay {
    let found = &deployment.status.conditions;
    BundleDeploymentDisplay {
        deployed: conditions::get(found, DEPLOYED)
            .map(text)
            .unwrap_or_default(),
        monitored: conditions::get(found, MONITORED)
            .map(text)
            .unwrap_or_default(),
        state: State::of(deployment).to_string(),
    }
}

fn text(condition: &Condition) -> String {
    if condition.reason == REASON_ERROR {
        format!("Error: {}", condition.message)
    } else {
        condition.status.clone()
    }
}
