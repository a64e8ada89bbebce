//! A pod must not get a word out before its policies hold.

use crate::bench::{deny_all, with_namespaces};

/// Connects as often as it can for the pod's first seconds, beginning with its first instant.
fn attempts(host: &str) -> String {
    format!(
        "for i in $(seq 1 60); do nc -w 2 {host} 8080 </dev/null 2>/dev/null && echo leaked & usleep 20000; done; wait; echo done"
    )
}

#[tokio::test]
async fn a_policy_holds_from_the_first_instant_of_a_pod() {
    with_namespaces(["closed", "open"], async |bench| {
        let server = bench.server("open", "server").await;
        bench.policy("closed", "deny-all", deny_all()).await;
        let script = attempts(&server);
        let (closed, open) = tokio::join!(
            Box::pin(bench.job("closed", "eager", &script)),
            Box::pin(bench.job("open", "eager", &script)),
        );
        assert!(
            open.contains("leaked") && open.ends_with("done\n"),
            "the attempts are worth nothing: {open:?}"
        );
        assert_eq!(closed, "done\n");
    })
    .await;
}
