//! Every route, once.

use schemars::SchemaGenerator;

use super::{
    export, live, openapi,
    parameters::{COMPLIANCE, DAYS_OF_FIGURES, FILTER, FOUND, HOURS, Parameter},
    read::{self, Health, ReportOfCluster},
    route::{
        Answering, Ask,
        Need::{self, Change, Nothing, OfFramework, Rights, Token, Write, WriteAfter},
        Right, Route,
        Shape::{self, Empty, Json, Other},
        What,
    },
    try_receiver::{self, ReceiverInput, Told},
    write::{self, Deleted, Done},
};
use crate::fleet::{
    Alert, ClusterRow, Compliance, Coverage, Day, Feature, LicenseView, LiveRun, Logs, Notified, Provider,
    Sandboxes, ScheduleRow, Summary, TestDetail, TestRow, Upcoming,
};
use crate::plan::SourcePlan;

const fn right(verb: &'static str, what: What) -> Right {
    Right { verb, what }
}

const LIST_TESTS: Need = Rights(&[right("list", What::Tests)]);
const LIST_REPORTS: Need = Rights(&[right("list", What::Reports)]);
const LIST_BOTH: Need = Rights(&[right("list", What::Tests), right("list", What::Reports)]);
const GET_TEST: Need = Rights(&[right("get", What::Test), right("list", What::Reports)]);
const WATCH_REPORTS: Need = Rights(&[right("watch", What::Reports)]);
const LIST_BACKUPS: Need = Rights(&[right("list", What::Backups)]);
const LIST_SCHEDULES: Need = Rights(&[right("list", What::Schedules)]);
const LIST_ALL: Need = Rights(&[
    right("list", What::Tests),
    right("list", What::Reports),
    right("list", What::Backups),
]);
const OF_FRAMEWORK: Need = OfFramework(
    &[right("list", What::Tests), right("list", What::Reports)],
    right("list", What::Backups),
);
const GET_PLAN: Need = WriteAfter(&[right("get", What::Test)]);
const DELETE_NAMESPACES: Need = WriteAfter(&[right("delete", What::Namespaces)]);
/// Whoever may change tests may have any receiver told of them.
const TRY_RECEIVER: Need = WriteAfter(&[right("patch", What::Tests)]);
const GET_REPORT: Need = Rights(&[right("get", What::Report)]);

/// The shape of a type.
macro_rules! of {
    ($type:ty) => {
        |schemas: &mut SchemaGenerator| schemas.subschema_for::<$type>()
    };
}

const fn get(
    path: &'static str,
    need: Need,
    summary: &'static str,
    shape: Shape,
    handle: fn(Ask) -> Answering,
) -> Route {
    Route {
        method: "GET",
        path,
        need,
        feature: None,
        summary,
        parameters: &[],
        body: None,
        success: (200, shape),
        mistakes: &[],
        handle,
    }
}

const fn with(route: Route, parameters: &'static [Parameter], mistakes: &'static [u16]) -> Route {
    Route {
        parameters,
        mistakes,
        ..route
    }
}

/// Closed in the tiers that do not have this.
const fn of_tier(feature: Feature, route: Route) -> Route {
    Route {
        feature: Some(feature),
        ..route
    }
}

const fn csv(path: &'static str, need: Need, summary: &'static str, handle: fn(Ask) -> Answering) -> Route {
    of_tier(Feature::Csv, get(path, need, summary, Other("text/csv"), handle))
}

/// All of them.
#[rustfmt::skip]
pub(super) fn routes() -> Vec<Route> {
    let mut all = vec![
        get("/api/v1/health", Token, "The process", Json(of!(Health)), read::health),
        get("/api/v1/openapi.json", Nothing, "This document", Json(of!(serde_json::Value)), openapi::openapi),
        get("/api/v1/license", Token, "The license and what it opens", Json(of!(LicenseView)), read::license),
        get("/api/v1/summary", LIST_BOTH, "Figures over everything", Json(of!(Summary)), read::summary),
        with(
            get("/api/v1/summary/daily", LIST_REPORTS, "Figures by day", Json(of!(Vec<Day>)), read::daily),
            &[DAYS_OF_FIGURES],
            &[],
        ),
        get("/api/v1/clusters", LIST_BOTH, "This cluster and others: how each is reached, and how old is what is known of it", Json(of!(Vec<ClusterRow>)), read::clusters),
        get("/api/v1/tests", LIST_BOTH, "All tests", Json(of!(Vec<TestRow>)), read::tests),
        with(
            get(
                "/api/v1/tests/{name}",
                GET_TEST,
                "A test with its history",
                Json(of!(TestDetail)),
                read::test,
            ),
            &[],
            &[404, 409],
        ),
        with(get("/api/v1/reports", LIST_REPORTS, "Reports, newest first", Json(of!(Vec<ReportOfCluster>)), read::reports), FILTER, &[]),
        with(get("/api/v1/reports/{name}", GET_REPORT, "A report", Json(of!(ReportOfCluster)), read::report), &[], &[404, 409]),
        with(
            get("/api/v1/reports/{name}/logs", GET_REPORT, "Logs and events of a report", Json(of!(Logs)), read::logs),
            &[],
            &[404, 409],
        ),
        with(
            get("/api/v1/alerts", LIST_REPORTS, "Runs that failed or got worse", Json(of!(Vec<Alert>)), read::alerts),
            &[HOURS],
            &[],
        ),
        get("/api/v1/upcoming", LIST_TESTS, "Next runs, soonest first", Json(of!(Vec<Upcoming>)), read::upcoming),
        get("/api/v1/runs", LIST_REPORTS, "Runs that go on, and the queue", Json(of!(Vec<LiveRun>)), read::runs),
        get(
            "/api/v1/events",
            WATCH_REPORTS,
            "Live progress as server-sent events: `runs` with all runs that go on, `run` with one that changed, `gone`",
            Other("text/event-stream"),
            live::events,
        ),
        get(
            "/api/v1/coverage",
            LIST_ALL,
            "Namespaces with a backup or a test, and the age of their proof",
            Json(of!(Coverage)),
            read::coverage,
        ),
        with(
            of_tier(
                Feature::Compliance,
                get("/api/v1/compliance", OF_FRAMEWORK, "What a framework asks, held against the last days", Json(of!(Compliance)), read::compliance),
            ),
            COMPLIANCE,
            &[],
        ),
        get("/api/v1/schedules", LIST_SCHEDULES, "Velero's Schedules, with the tests that prove them for those who may list tests", Json(of!(Vec<ScheduleRow>)), read::schedules),
        get("/api/v1/config/provider", LIST_BACKUPS, "Velero", Json(of!(Provider)), read::provider),
        get("/api/v1/config/notifications", LIST_TESTS, "Who is told of verdicts", Json(of!(Notified)), read::notifications),
        get("/api/v1/config/sandbox", LIST_TESTS, "Settings of sandboxes, and how many there are", Json(of!(Sandboxes)), read::sandbox),
        with(csv("/api/v1/tests.csv", LIST_BOTH, "Tests as CSV", export::tests), FOUND, &[]),
        with(csv("/api/v1/reports.csv", LIST_REPORTS, "Reports as CSV", export::reports), FILTER, &[]),
        csv("/api/v1/coverage.csv", LIST_ALL, "Coverage as CSV", export::coverage),
        with(csv("/api/v1/compliance.csv", OF_FRAMEWORK, "Compliance as CSV", export::compliance), COMPLIANCE, &[]),
        with(
            of_tier(
                Feature::Pdf,
                get(
                    "/api/v1/compliance.pdf",
                    OF_FRAMEWORK,
                    "Compliance as a document to keep",
                    Other("application/pdf"),
                    export::compliance_pdf,
                ),
            ),
            COMPLIANCE,
            &[],
        ),
    ];
    all.push(with(
        get(
            "/api/v1/plan/{name}",
            GET_PLAN,
            "What a run of a test would do, asked with the caller's own rights",
            Json(of!(Vec<SourcePlan>)),
            write::plan,
        ),
        &[],
        &[404, 409, 422],
    ));
    all.extend(writes());
    all
}

fn writes() -> [Route; 6] {
    let write = |method, path, summary, success, mistakes, handle| Route {
        method,
        path,
        need: Write,
        feature: None,
        summary,
        parameters: &[],
        body: None,
        success,
        mistakes,
        handle,
    };
    let done = Json(of!(Done));
    [
        Route {
            body: Some(super::input::schema),
            ..write(
                "POST",
                "/api/v1/tests",
                "Creates a test",
                (201, done),
                &[408, 409, 413, 422],
                write::post_test,
            )
        },
        Route {
            need: Change("patch"),
            body: Some(super::input::schema),
            ..write(
                "PUT",
                "/api/v1/tests/{name}",
                "Changes what is given of a test, and nothing else",
                (200, done),
                &[404, 408, 409, 413, 422],
                write::put_test,
            )
        },
        Route {
            need: Change("delete"),
            ..write(
                "DELETE",
                "/api/v1/tests/{name}",
                "Deletes a test",
                (204, Empty),
                &[404, 409, 422],
                write::delete_test,
            )
        },
        Route {
            need: Change("patch"),
            ..write(
                "POST",
                "/api/v1/tests/{name}/trigger",
                "Starts a run of a test",
                (200, done),
                &[404, 409, 422],
                write::post_trigger,
            )
        },
        Route {
            need: TRY_RECEIVER,
            body: Some(of!(ReceiverInput)),
            ..write(
                "POST",
                "/api/v1/config/notifications/test",
                "Sends a message to a receiver, to try it",
                (200, Json(of!(Told))),
                &[408, 413, 422],
                try_receiver::try_receiver,
            )
        },
        Route {
            need: DELETE_NAMESPACES,
            ..write(
                "POST",
                "/api/v1/config/sandbox/cleanup",
                "Removes sandboxes that no report speaks for",
                (200, Json(of!(Deleted))),
                &[422],
                write::post_cleanup,
            )
        },
    ]
}
