//! Jobs and CronJobs.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{
    age, containers, human_duration, int, is_true, len, name, selector, since, text, text_or,
};
use super::{AGE, CONTAINERS, CellsFn, Columns, IMAGES, NAME, SELECTOR};

const JOB: Columns = &[
    NAME,
    ("Status", "string", 0, "Status of the job."),
    (
        "Completions",
        "string",
        0,
        "The number of pods which reached phase Succeeded.",
    ),
    (
        "Duration",
        "string",
        0,
        "Time required to complete the job.",
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];
const CRON_JOB: Columns = &[
    NAME,
    ("Schedule", "string", 0, "The schedule in Cron format."),
    (
        "Timezone",
        "string",
        0,
        "The time zone name for the given schedule.",
    ),
    (
        "Suspend",
        "boolean",
        0,
        "Whether subsequent executions are suspended.",
    ),
    ("Active", "integer", 0, "Currently running jobs."),
    (
        "Last Schedule",
        "string",
        0,
        "When the job was last successfully scheduled.",
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) fn printer(group: &str, kind: &str) -> Option<(Columns, CellsFn)> {
    let found: (Columns, CellsFn) = match (group, kind) {
        ("batch", "Job") => (JOB, job),
        ("batch", "CronJob") => (CRON_JOB, cron_job),
        _ => return None,
    };
    Some(found)
}

fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let succeeded = int(object, "/status/succeeded");
    let completions = match (
        object.pointer("/spec/completions"),
        int(object, "/spec/parallelism"),
    ) {
        (Some(Value::Number(wanted)), _) => format!("{succeeded}/{wanted}"),
        (_, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        _ => format!("{succeeded}/1"),
    };
    let start = text(object, "/status/startTime").parse::<Timestamp>();
    let end = text(object, "/status/completionTime")
        .parse::<Timestamp>()
        .unwrap_or(now);
    let duration = start.map_or_else(
        |_| String::new(),
        |start| human_duration(end.as_second() - start.as_second()),
    );
    let [names, images] = containers(object, "/spec/template/spec/containers");
    vec![
        name(object),
        job_status(object).into(),
        completions.into(),
        duration.into(),
        age(object, now),
        names,
        images,
        selector(object.pointer("/spec/selector")),
    ]
}

fn job_status(object: &Value) -> &'static str {
    let deleted = !text(object, "/metadata/deletionTimestamp").is_empty();
    match () {
        () if is_true(object, "Complete") => "Complete",
        () if is_true(object, "Failed") => "Failed",
        () if deleted => "Terminating",
        () if is_true(object, "Suspended") => "Suspended",
        () if is_true(object, "FailureTarget") => "FailureTarget",
        () if is_true(object, "SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn cron_job(object: &Value, now: Timestamp) -> Vec<Value> {
    let last = match text(object, "/status/lastScheduleTime") {
        "" => "<none>".to_owned(),
        time => since(time, now),
    };
    let suspend = match object.pointer("/spec/suspend") {
        Some(Value::Bool(true)) => "True",
        Some(Value::Bool(false)) => "False",
        _ => "<unset>",
    };
    let [names, images] = containers(object, "/spec/jobTemplate/spec/template/spec/containers");
    vec![
        name(object),
        text(object, "/spec/schedule").into(),
        text_or(object, "/spec/timeZone", "<none>"),
        suspend.into(),
        len(object, "/status/active").into(),
        last.into(),
        age(object, now),
        names,
        images,
        selector(object.pointer("/spec/jobTemplate/spec/selector")),
    ]
}
