//! Certificates and keys of the cluster, made anew for each one.

mod kubeconfig;

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};

use crate::places::{self, NODE_ADDRESS, NODE_NAME};

/// A client of the API server: the file's name, the user, the group.
const CLIENTS: [(&str, &str, Option<&str>); 6] = [
    ("admin", "kymaros-testbed-admin", Some("system:masters")),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("kube-proxy", "system:kube-proxy", None),
    ("provisioner", "local-path-provisioner", None),
    ("netpol", "kymaros-testbed-netpol", None),
];

/// Writes every certificate, key and kubeconfig below the state folder. `port` is where the host reaches the API server.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write_all(port: u16) -> Result<()> {
    let folder = places::state("pki");
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(places::state("kubeconfigs"))?;
    let authority = Authority::new("kymaros-testbed")?;
    let front_proxy = Authority::new("kymaros-testbed-front-proxy")?;
    fs::write(folder.join("ca.crt"), authority.0.pem())?;
    write_secret(&folder.join("ca.key"), &authority.0.key().serialize_pem())?;
    fs::write(folder.join("front-proxy-ca.crt"), front_proxy.0.pem())?;

    let api_names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        "10.96.0.1",
        NODE_ADDRESS,
    ];
    authority
        .issue("kube-apiserver", None, &api_names)?
        .write("apiserver")?;
    authority
        .issue("kube-apiserver-kubelet-client", Some("system:masters"), &[])?
        .write("apiserver-kubelet-client")?;
    front_proxy
        .issue("front-proxy-client", None, &[])?
        .write("front-proxy-client")?;
    let node = format!("system:node:{NODE_NAME}");
    let kubelet = authority.issue(&node, Some("system:nodes"), &[NODE_ADDRESS, NODE_NAME])?;
    kubelet.write("kubelet")?;
    authority.issue("s3", None, &[NODE_ADDRESS])?.write("s3")?;

    let service_accounts = KeyPair::generate()?;
    fs::write(folder.join("sa.pub"), service_accounts.public_key_pem())?;
    write_secret(&folder.join("sa.key"), &service_accounts.serialize_pem())?;

    let inside = format!("https://{NODE_ADDRESS}:{}", places::API_PORT);
    let authority_pem = authority.0.pem();
    let write = |path: &Path, server: &str, identity: &Identity| {
        write_secret(path, &kubeconfig::render(server, &authority_pem, identity))
    };
    write(&places::state("kubeconfigs/kubelet"), &inside, &kubelet)?;
    for (name, user, group) in CLIENTS {
        let identity = authority.issue(user, group, &[])?;
        write(&places::state("kubeconfigs").join(name), &inside, &identity)?;
        if name == "admin" {
            write(
                &places::kubeconfig(),
                &format!("https://127.0.0.1:{port}"),
                &identity,
            )?;
        }
    }
    Ok(())
}

/// A certificate with its key, both PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Identity {
    fn write(&self, name: &str) -> Result<()> {
        let folder = places::state("pki");
        fs::write(folder.join(format!("{name}.crt")), &self.certificate)?;
        write_secret(&folder.join(format!("{name}.key")), &self.key)
    }
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = subject(name, None);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Ok(Self(CertifiedIssuer::self_signed(
            parameters,
            KeyPair::generate()?,
        )?))
    }

    /// A certificate for both ends of a connection: the test cluster has no use for the difference.
    fn issue(&self, user: &str, group: Option<&str>, names: &[&str]) -> Result<Identity> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names)?;
        parameters.distinguished_name = subject(user, group);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.0)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn subject(user: &str, group: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, user);
    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    name
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
