//! The demo shop runs in the cluster, under the strictest Pod Security level, and keeps its data.

// A test that fails is a test that panics, also in the functions that tests call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::{Duration, Instant};

use kymaros_testbed::cluster::{self, Cluster};
use kymaros_testbed::images::shop;

/// How long a part of the shop that runs may be out of reach.
const DEADLINE: Duration = Duration::from_mins(1);

/// A namespace that is gone in the end.
struct Namespace<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Namespace<'a> {
    fn create(cluster: &'a Cluster) -> Self {
        let name = format!("shop-{}", std::process::id());
        cluster.kubectl(&["create", "namespace", &name]).unwrap();
        cluster
            .kubectl(&[
                "label",
                "namespace",
                &name,
                "pod-security.kubernetes.io/enforce=restricted",
            ])
            .unwrap();
        Self { cluster, name }
    }

    fn kubectl(&self, args: &[&str]) -> String {
        self.cluster
            .kubectl(&[&["--namespace", &self.name], args].concat())
            .unwrap()
    }

    /// Waits until the whole shop is ready.
    fn wait(&self) {
        self.kubectl(&["rollout", "status", "statefulset/db", "--timeout=2m"]);
        self.kubectl(&["rollout", "status", "deployment/web", "--timeout=2m"]);
    }

    /// What the shop's own page says, once it says a number: a ready pod is found behind its Service a moment later.
    fn orders(&self) -> String {
        let start = Instant::now();
        loop {
            let page = [
                "exec",
                "deployment/web",
                "--",
                "wget",
                "-q",
                "-O",
                "-",
                "http://web/cgi-bin/orders",
            ];
            match self
                .cluster
                .kubectl(&[&["--namespace", &self.name], page.as_slice()].concat())
            {
                Ok(page) => return page,
                Err(error) => assert!(start.elapsed() < DEADLINE, "{error:#}"),
            }
        }
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        // A failure to clean up must not hide why the test failed.
        let _ = self
            .cluster
            .kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

#[tokio::test]
async fn the_shop_counts_its_orders_and_keeps_them() {
    let cluster = cluster::find().expect("the test cluster");
    let cache = std::env::temp_dir().join("kymaros-shop-test");
    let image = shop::image(Path::new("/bin/busybox"), &cache, &|line| println!("{line}")).unwrap();
    cluster.load_image(&image.path).await.unwrap();

    let namespace = Namespace::create(&cluster);
    let manifest = cache.join("shop.yaml");
    std::fs::write(&manifest, shop::MANIFEST).unwrap();
    namespace.kubectl(&["apply", "--filename", manifest.to_str().unwrap()]);
    namespace.wait();
    assert_eq!(namespace.orders(), "25\n");

    let order = "INSERT INTO orders (customer, cents) VALUES ('somebody', 1)";
    namespace.kubectl(&["exec", "db-0", "--", "psql", "--command", order]);
    namespace.kubectl(&["delete", "pod", "db-0"]);
    namespace.wait();
    assert_eq!(namespace.orders(), "26\n");
}
