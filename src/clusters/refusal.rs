//! Why a Secret is no way to a cluster. Each says the field, what is wrong, and what to write; none shows what is in it.

use kymaros_crds::names::CLUSTER_LABEL;
use thiserror::Error;

/// How an account that can be used comes about.
const ACCOUNT: &str = "write the token of a ServiceAccount there into user.token";

/// Why a Secret is no way to a cluster.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its label names no cluster.
    #[error("the label {CLUSTER_LABEL} {0}")]
    Name(String),
    /// Another Secret names the same cluster.
    #[error(
        "the label {CLUSTER_LABEL} names the same cluster as the Secret {0}; delete one of them, or name another cluster"
    )]
    Twice(String),
    /// There are too many.
    #[error("there are {0} clusters already, which is the most; delete a Secret that is not needed")]
    TooMany(usize),
    /// The key is missing.
    #[error("data.kubeconfig is missing; put a kubeconfig there")]
    Missing,
    /// It is too large.
    #[error(
        "data.kubeconfig is {size} bytes; {most} are the most: leave only the one cluster and its account in it"
    )]
    TooLarge {
        /// Bytes it has.
        size: usize,
        /// Bytes it may have.
        most: usize,
    },
    /// It is no kubeconfig.
    #[error(
        "data.kubeconfig is no kubeconfig{0}; write one as `kubectl config view --minify --flatten --raw` does"
    )]
    Unreadable(String),
    /// The context leads nowhere.
    #[error("data.kubeconfig: {0}")]
    Dangling(&'static str),
    /// The API server's address is none.
    #[error("data.kubeconfig: cluster.server is missing or no address; write https://...")]
    NoAddress,
    /// Without TLS.
    #[error(
        "data.kubeconfig: cluster.server is not https, so anybody between could read the token; write https://..."
    )]
    Plain,
    /// A place that nobody may reach through the operator.
    #[error(
        "data.kubeconfig: cluster.server is a link-local, metadata or multicast address; those are never connected to"
    )]
    Place,
    /// Certificates are not verified.
    #[error(
        "data.kubeconfig: cluster.insecure-skip-tls-verify would give the token to whoever answers; take it out, and write \
         the authority into cluster.certificate-authority-data"
    )]
    Insecure,
    /// A file of whoever wrote it.
    #[error(
        "data.kubeconfig: {field} names a file, and no files are read; write its contents into {instead}"
    )]
    File {
        /// The field.
        field: &'static str,
        /// The field to use.
        instead: &'static str,
    },
    /// A proxy.
    #[error("data.kubeconfig: cluster.proxy-url is not followed; write an address that is reached directly")]
    Proxy,
    /// A program of whoever wrote it.
    #[error("data.kubeconfig: user.{0} runs or asks another program, which is never done; {ACCOUNT}")]
    Program(&'static str),
    /// A way of signing in that is not taken.
    #[error("data.kubeconfig: user.{0} is not taken; {ACCOUNT}")]
    SignIn(&'static str),
    /// Nothing that a request can carry.
    #[error(
        "data.kubeconfig: user.token has line breaks or other characters that no token has; write the token of a \
         ServiceAccount there, in one line"
    )]
    Token,
    /// No account at all.
    #[error("data.kubeconfig: there is no account in user; {ACCOUNT}")]
    NoAccount,
    /// Something in it does not decode.
    #[error(
        "data.kubeconfig: a certificate or key in it cannot be read; write base64 of PEM into certificate-authority-data, \
         client-certificate-data and client-key-data"
    )]
    Undecodable,
}
