//! Messages to real receivers on this machine, from an operator whose API server is in memory and whose clock runs as fast as
//! there is nothing to do.

mod authority;
mod receiver;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use kube::ResourceExt;
use kymaros_crds::NotificationState;
use receiver::{Mood, Receivers};
use sha2::Sha256;
use world::{Sent, World};

use super::Reach;

#[tokio::test]
async fn receivers_are_told_once_with_what_they_need() {
    let receivers = Receivers::start().await;
    let world = World::new();
    world.secret(
        "hook",
        &[
            ("url", &receivers.address("a", Mood::Takes)),
            ("signing-key", "something-long\n"),
        ],
    );
    world.secret(
        "slack",
        &[(
            "webhook-url",
            &format!("{}\n", receivers.address("b", Mood::Takes)),
        )],
    );
    world.failed_run("shop", &[("webhook", "hook"), ("slack", "slack")]);
    world.process().until_idle().await;
    world.process().until_idle().await;
    let got = receivers.got();
    assert_eq!(got.len(), 2, "{got:?}");
    let hook = got.iter().find(|message| message.path == "a").unwrap();
    assert_eq!(
        (&hook.body["TestName"], &hook.body["Cluster"]),
        (&"shop".into(), &"eu<1>".into())
    );
    assert_eq!(hook.body["DeliveryID"], hook.header("x-kymaros-delivery"));
    assert_eq!(hook.header("idempotency-key"), hook.header("x-kymaros-delivery"));
    let signature = hook.header("x-kymaros-signature-256");
    let signature: Vec<u8> = signature
        .strip_prefix("sha256=")
        .unwrap()
        .as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect();
    let mut verifier = Hmac::<Sha256>::new_from_slice(b"something-long").unwrap();
    verifier.update(&hook.bytes);
    verifier.verify_slice(&signature).unwrap();
    assert_eq!(hook.header("content-type"), "application/json");
    let slack = got.iter().find(|message| message.path == "b").unwrap();
    assert!(
        slack.body["text"]
            .as_str()
            .unwrap()
            .starts_with(":x: *Kymaros* in eu&lt;1&gt; — `shop` score: *50/100* (fail)\n")
    );
    assert_eq!(slack.header("x-kymaros-signature-256"), "");
    let report = world.report("shop");
    let look = format!("\n`kymaros report {} --namespace ops`", report.name_any());
    let text = slack.body["text"].as_str().unwrap();
    assert!(text.ends_with(&look), "{text}");
    assert_eq!(world::states(&report), [NotificationState::Delivered; 2]);
    assert_eq!(
        world::condition(&report),
        ("True".to_owned(), "Delivered".to_owned())
    );
    assert_eq!(world.events(), ["Notified", "Notified"]);
}

#[tokio::test]
async fn whoever_is_away_is_told_when_they_are_back() {
    for (mood, why) in [
        (Mood::Fails, "it answered 503"),
        (Mood::Slow, "it did not answer in time"),
        (Mood::Redirects, "a redirect, which is never followed"),
    ] {
        let receivers = Receivers::start().await;
        let world = World::new();
        world.secret("hook", &[("url", &receivers.address("a", mood))]);
        world.failed_run("shop", &[("webhook", "hook")]);
        let process = world.process_with(world::HERE, Duration::from_secs(1));
        process.until(SignedDuration::from_mins(5)).await;
        let report = world.report("shop");
        let record = &report.status.as_ref().unwrap().notifications[0];
        assert!(record.error.as_ref().unwrap().contains(why), "{record:?}");
        assert!((4..9).contains(&record.attempts), "{record:?}");
        assert_eq!(
            world::condition(&report),
            ("False".to_owned(), "Retrying".to_owned())
        );
        assert_eq!(world.events(), ["NotificationDelayed"], "{mood:?}");
        assert!(receivers.taken().is_empty());
        receivers.cheer_up();
        process.until_idle().await;
        assert_eq!(receivers.taken().len(), 1, "{mood:?}");
        assert_eq!(
            world::states(&world.report("shop")),
            [NotificationState::Delivered]
        );
    }
}

#[tokio::test]
async fn nothing_listens_at_first() {
    let receivers = Receivers::start().await;
    let free = receivers.free_port();
    let world = World::new();
    world.secret("hook", &[("url", &format!("http://127.0.0.1:{free}/a/takes"))]);
    world.failed_run("shop", &[("webhook", "hook")]);
    let process = world.process();
    process.until(SignedDuration::from_mins(5)).await;
    let error = world.report("shop").status.unwrap().notifications[0]
        .error
        .clone()
        .unwrap();
    assert!(
        error.contains("it could not be reached: ") && error.contains("refused"),
        "{error}"
    );
    let late = Receivers::start_at(free).await;
    process.until_idle().await;
    assert_eq!(late.taken().len(), 1);
}

#[tokio::test]
async fn a_busy_receiver_is_left_alone_as_long_as_it_wishes() {
    let receivers = Receivers::start().await;
    let world = World::new();
    world.secret("slack", &[("url", &receivers.address("a", Mood::Busy))]);
    world.failed_run("shop", &[("slack", "slack")]);
    let process = world.process();
    process.until(SignedDuration::from_secs(119)).await;
    let record = world.report("shop").status.unwrap().notifications[0].clone();
    assert_eq!(
        (record.attempts, record.error.unwrap()),
        (1, "it answered 429 (rate_limited)".to_owned())
    );
    receivers.cheer_up();
    process.until_idle().await;
    assert_eq!(receivers.taken().len(), 1);
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_with_its_remedy_and_mended_without_a_restart() {
    let receivers = Receivers::start().await;
    let world = World::new();
    world.secret("closed", &[("url", "https://x")]);
    world.forbid("closed");
    world.secret("empty", &[("address", "https://x")]);
    world.secret("inside", &[("url", "https://169.254.169.254/latest/meta-data")]);
    world.secret("named", &[("url", "ftp://x/hidden-token")]);
    let targets = ["closed", "empty", "inside", "named", "none"].map(|secret| ("webhook", secret));
    world.failed_run("shop", &targets);
    world.failed_run("own", &[("slack", "")]);
    let process = world.process();
    process.until(SignedDuration::from_secs(1)).await;
    let errors = |test: &str| -> Vec<String> {
        let records = world.report(test).status.unwrap().notifications;
        records.into_iter().filter_map(|record| record.error).collect()
    };
    let remedies = [
        "add {namespace: ops, names: [closed]} to the chart's value notifications.secrets",
        "Secret ops/empty has no address: put it under the key url",
        "what Secret ops/inside holds is of a loopback, link-local or metadata address",
        "what Secret ops/named holds is not an https address",
        "there is no Secret ops/none: create it",
    ];
    for (error, remedy) in errors("shop").iter().zip(remedies) {
        assert!(error.contains(remedy), "{error}");
        assert!(!error.contains("hidden-token"), "{error}");
    }
    assert_eq!(errors("shop").len(), 5);
    assert!(errors("own")[0].contains("set the chart's value notifications.slack.enabled"));
    for secret in ["closed", "empty", "inside", "named", "none"] {
        world.secret(secret, &[("url", &receivers.address(secret, Mood::Takes))]);
    }
    world.allow("closed");
    process.until(SignedDuration::from_mins(1)).await;
    assert_eq!(receivers.taken().len(), 5);
}

#[tokio::test]
async fn the_way_to_this_machine_is_closed_unless_a_test_opens_it() {
    let receivers = Receivers::start().await;
    let world = World::new();
    let address = receivers
        .address("a", Mood::Takes)
        .replace("127.0.0.1", "localhost");
    world.secret("hook", &[("url", &address)]);
    world.failed_run("shop", &[("webhook", "hook")]);
    world
        .process_with(
            Reach {
                http: true,
                loopback: false,
            },
            Duration::from_secs(30),
        )
        .until(SignedDuration::from_secs(1))
        .await;
    let error = world.report("shop").status.unwrap().notifications[0]
        .error
        .clone()
        .unwrap();
    assert!(
        error.contains("loopback, link-local or metadata address"),
        "{error}"
    );
    assert!(receivers.got().is_empty());
}

#[tokio::test]
async fn a_receiver_that_never_comes_back_is_given_up_after_a_day() {
    let receivers = Receivers::start().await;
    let world = World::new();
    world.secret("hook", &[("url", &receivers.address("a", Mood::Fails))]);
    world.failed_run("shop", &[("webhook", "hook")]);
    world.process().until_idle().await;
    let report = world.report("shop");
    assert_eq!(world::states(&report), [NotificationState::Failed]);
    assert_eq!(
        world::condition(&report),
        ("False".to_owned(), "GaveUp".to_owned())
    );
    assert_eq!(world.events(), ["NotificationDelayed", "NotificationFailed"]);
}

#[tokio::test]
async fn two_hundred_messages_survive_kills_and_a_receiver_that_is_down() {
    let receivers = Receivers::start().await;
    let world = World::new();
    world.secret("hook", &[("url", &receivers.address("a", Mood::Fails))]);
    world.secret("slack", &[("url", &receivers.address("b", Mood::Takes))]);
    for run in 0..100 {
        world.failed_run(&format!("test-{run}"), &[("webhook", "hook"), ("slack", "slack")]);
    }
    // Each process ends in the middle of some request, with several runs in its hands.
    let mut in_hand = Vec::new();
    for requests in [37, 150, 411] {
        in_hand.extend(world.process().until_killed_after(requests).await);
    }
    world.process().until(SignedDuration::from_mins(5)).await;
    receivers.cheer_up();
    for requests in [60, 333] {
        in_hand.extend(world.process().until_killed_after(requests).await);
    }
    world.process().until_idle().await;
    let mut taken: BTreeMap<Sent, BTreeSet<String>> = BTreeMap::new();
    let mut twice = Vec::new();
    for message in receivers.taken() {
        let (test, type_) = match message.body["TestName"].as_str() {
            Some(test) => (test.to_owned(), "webhook"),
            None => (
                message.body["text"]
                    .as_str()
                    .unwrap()
                    .split('`')
                    .nth(1)
                    .unwrap()
                    .to_owned(),
                "slack",
            ),
        };
        let sent = (test, type_.to_owned());
        let ids = taken.entry(sent.clone()).or_default();
        if !ids.insert(message.header("x-kymaros-delivery").to_owned()) {
            twice.push(sent);
        }
    }
    assert_eq!(taken.len(), 200, "something was lost");
    assert!(
        taken.values().all(|ids| ids.len() == 1),
        "what is sent again has another id"
    );
    // Only what a process had in its hands when it ended may come again, once for each of its ends.
    for sent in twice {
        let at = in_hand.iter().position(|claimed| *claimed == sent);
        in_hand.swap_remove(at.unwrap_or_else(|| panic!("{sent:?} was told twice without a reason")));
    }
    for run in 0..100 {
        let report = world.report(&format!("test-{run}"));
        assert_eq!(world::states(&report), [NotificationState::Delivered; 2]);
    }
}

#[tokio::test]
async fn without_kills_nothing_is_told_twice_however_old_the_store_is() {
    let receivers = Receivers::start().await;
    let world = World::new();
    world.secret("hook", &[("url", &receivers.address("a", Mood::Takes))]);
    for run in 0..20 {
        world.failed_run(&format!("test-{run}"), &[("webhook", "hook")]);
    }
    let (one, other) = (world.process(), world.process());
    // Two leaders at once, each with reports from before anybody was told.
    let stale = world.reports();
    tokio::join!(one.look_at(&stale), other.look_at(&stale));
    one.look_at(&stale).await;
    world.process().until_idle().await;
    assert_eq!(receivers.taken().len(), 20);
}

#[tokio::test]
async fn a_test_message_is_sent_and_trouble_is_said() {
    use kymaros_crds::{NotificationType, domain::NotificationTarget};
    let receivers = Receivers::start().await;
    let world = World::new();
    world.secret("hook", &[("url", &receivers.address("a", Mood::Takes))]);
    world.secret("slack", &[("url", &receivers.address("b", Mood::Busy))]);
    let notifier = world.notifier();
    let target = |type_, secret: &str| NotificationTarget {
        type_,
        channel: None,
        secret: Some(secret.to_owned()),
    };
    let hook = target(NotificationType::Webhook, "hook");
    let told = notifier.send_test("ops", &hook).await.unwrap();
    assert_eq!(told.to_string(), "webhook by Secret ops/hook");
    assert_eq!(receivers.taken()[0].body["Result"], "test");
    let slack = target(NotificationType::Slack, "slack");
    let error = notifier.send_test("ops", &slack).await.unwrap_err();
    assert_eq!(error.to_string(), "it answered 429 (rate_limited)");
    assert_eq!(error.retry_after(), Some(Duration::from_mins(2)));
}
