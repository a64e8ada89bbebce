//! Whatever is sent, there is an answer, and never that something broke.

use axum::{body::Body, http::Request};
use kymaros_crds::domain::Tier;
use proptest::prelude::*;
use tower::ServiceExt;

use super::{routes::CALLS, world::World};

/// Parts of addresses: what means something, and anything else.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("shop".to_owned()),
        Just("..".to_owned()),
        Just("%2e%2e%2f".to_owned()),
        Just("%00".to_owned()),
        "[a-zA-Z0-9_.~%-]{0,40}",
    ]
}

fn query() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("days"),
        Just("hours"),
        Just("latest"),
        Just("limit"),
        Just("running"),
        Just("namespace"),
        Just("cluster"),
        Just("test"),
        Just("framework"),
        Just("period"),
        Just("q"),
        Just("status"),
        Just("x"),
    ];
    let value = prop_oneof![
        Just("1".to_owned()),
        Just("-1".to_owned()),
        Just("4294967295".to_owned()),
        Just("99999999999999".to_owned()),
        Just("true".to_owned()),
        Just("ops".to_owned()),
        Just("local".to_owned()),
        Just("dora".to_owned()),
        Just("fail".to_owned()),
        part(),
    ];
    proptest::collection::vec((key, value), 0..4).prop_map(|pairs| {
        pairs
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    })
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(|number| serde_json::json!(number)),
        ".{0,20}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![
            Just("name".to_owned()),
            Just("ttl".to_owned()),
            Just("namespaces".to_owned()),
            ".{0,8}"
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::hash_map(key, inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        json_value().prop_map(|value| value.to_string().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn there_is_always_an_answer(
        call in 0..CALLS.len(),
        name in part(),
        query in query(),
        body in body(),
        token in prop_oneof![Just("admin"), Just("dev"), Just("invented")],
    ) {
        let (method, route, ..) = CALLS[call];
        let address = format!("{}?{query}", route.replace("{name}", &name));
        let Ok(request) = Request::builder()
            .method(method)
            .uri(&address)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body))
        else {
            return Ok(());
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let code = runtime.block_on(async {
            // Below a route's tier nobody reads its parameters.
            World::with_tier(Tier::Enterprise).router().oneshot(request).await.unwrap().status().as_u16()
        });
        prop_assert!(code < 500, "{method} {address}: {code}");
        prop_assert!(code != 403 || token != "admin", "{method} {address} is closed");
    }

    #[test]
    fn any_address_has_an_answer(address in "/(api/)?[a-zA-Z0-9_./%-]{0,60}") {
        let Ok(request) = Request::get(&address).body(Body::empty()) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let code = runtime.block_on(async {
            World::open().router().oneshot(request).await.unwrap().status().as_u16()
        });
        prop_assert!(code < 500, "{address}: {code}");
    }
}
