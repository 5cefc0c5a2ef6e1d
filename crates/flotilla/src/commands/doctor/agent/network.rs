//! From a URL to an answer, step by step: name, port, certificate, clock.

use std::net::SocketAddr;
use std::time::Duration;

use apiclient::{Budgets, Client, Error};
use jiff::{SignedDuration, Timestamp};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::report::{Over, Report};

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far clocks may differ. Certificates and tokens begin a little before they are made, not more.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(60);

/// Host and port of a URL.
pub(super) fn host(server: &str) -> Option<(String, u16)> {
    let (default, rest) = if let Some(rest) = server.strip_prefix("https://") {
        (443, rest)
    } else {
        (80, server.strip_prefix("http://")?)
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    if let Some(v6) = authority.strip_prefix('[') {
        let (host, port) = v6.split_once(']')?;
        let port = port
            .strip_prefix(':')
            .map_or(Some(default), |port| port.parse().ok())?;
        return Some((host.to_owned(), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, default),
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// Whether a proxy stands between: then neither name nor port are the agent's to reach.
fn proxy() -> Option<&'static str> {
    ["HTTPS_PROXY", "https_proxy"]
        .into_iter()
        .find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Looks up the name and opens the port.
pub(super) async fn reach(report: &mut Report, server: &str) -> Result<(), Over> {
    let Some((host, port)) = host(server) else {
        let advice = "correct apiServerURL, such as https://hub.example:6443";
        return Err(report.fail("DNS", format!("{server} is no URL of a server"), advice));
    };
    if let Some(variable) = proxy() {
        report.ok("DNS", format!("left to the proxy of {variable}"));
        return Ok(());
    }
    let addresses: Vec<SocketAddr> = match timeout(PATIENCE, lookup_host((host.as_str(), port)))
        .await
    {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => {
            let advice = "the name of the hub is not known here: correct apiServerURL, or the DNS of this cluster";
            return Err(report.fail("DNS", format!("{host}: {error}"), advice));
        }
        Err(_) => {
            let advice = "the DNS of this cluster does not answer: look at its DNS pods and the node's resolv.conf";
            return Err(report.fail("DNS", format!("{host}: no answer"), advice));
        }
    };
    let names: Vec<String> = addresses
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    report.ok("DNS", format!("{host} is {}", names.join(", ")));
    let mut problem = "there is no address".to_owned();
    for address in addresses {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                report.ok("TCP", format!("{address} takes connections"));
                return Ok(());
            }
            Ok(Err(error)) => problem = format!("{address}: {error}"),
            Err(_) => problem = format!("{address}: no answer"),
        }
    }
    let advice = "nobody listens there, or a firewall or network policy is between: open the way from this cluster to the hub";
    Err(report.fail("TCP", problem, advice))
}

/// Greets over TLS. Any answer will do.
pub(super) async fn greet(report: &mut Report, hub: &Client, from: &str) -> Result<(), Over> {
    let asked = hub
        .get_path::<serde_json::Value>("/version", "application/json")
        .await;
    let Err(error @ Error::Transport { .. }) = asked else {
        report.ok("TLS", "the certificate is trusted");
        return Ok(());
    };
    let Some(problem) = error.certificate() else {
        let advice = "something answers that is no API server, or ends the connection: look at proxies between";
        return Err(report.fail("TLS", errors::chain(&error), advice));
    };
    Err(report.fail("TLS", format!("{problem}"), tls_advice(&problem, from)))
}

fn tls_advice(problem: &rustls::CertificateError, from: &str) -> String {
    use rustls::CertificateError as Certificate;
    match problem {
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "the hub's certificate has expired, or the clock here is ahead: renew it on the hub".to_owned()
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "the hub's certificate is not valid yet: set the clock here".to_owned()
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "the hub's certificate is for another name: correct apiServerURL, or add the name to the certificate".to_owned()
        }
        // The second: another authority of the same name.
        Certificate::UnknownIssuer | Certificate::BadSignature => format!(
            "the authority of the hub's certificate is not the one in secret {from}: correct apiServerCA on the hub and register again"
        ),
        _ => "the hub's certificate is of no use: make another one".to_owned(),
    }
}

/// Compares clocks.
pub(super) async fn clock(report: &mut Report, server: &str, kube: kube::Client) {
    let request = http::Request::get("/version").body(kube::client::Body::empty());
    let Ok(request) = request else { return };
    let Ok(Ok(response)) = timeout(PATIENCE, kube.send(request)).await else {
        return;
    };
    let date = response.headers().get(http::header::DATE);
    let date = date.and_then(|date| date.to_str().ok());
    let Some(theirs) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else {
        report.ok("clock", format!("{server} does not say what time it is"));
        return;
    };
    let (found, is_well) = compare(theirs.timestamp(), Timestamp::now());
    if is_well {
        report.ok("clock", found);
    } else {
        let advice = "set the clocks by NTP: tokens and certificates are refused when they seem to come from the future";
        report.warn("clock", found, advice);
    }
}

/// What two clocks say.
fn compare(theirs: Timestamp, ours: Timestamp) -> (String, bool) {
    let ahead = ours.duration_since(theirs);
    let secs = ahead.as_secs();
    let found = match secs {
        // The header has no fractions.
        -2..=2 => "equal to the hub's".to_owned(),
        3.. => format!("{secs} s ahead of the hub's"),
        _ => format!("{} s behind the hub's", -secs),
    };
    (found, ahead.abs() <= SKEW_MAX)
}

/// A client for a kubeconfig.
pub(super) fn client(kube: kube::Client) -> Client {
    Client::new(kube, "flotilla-doctor", Budgets::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_a_port() {
        for (url, want) in [
            ("https://hub", Some(("hub", 443))),
            ("https://hub:6443/k8s/clusters/x", Some(("hub", 6443))),
            ("http://10.0.0.1:80", Some(("10.0.0.1", 80))),
            ("https://[::1]:6443", Some(("::1", 6443))),
            ("https://[::1]", Some(("::1", 443))),
            ("https://user@hub:1?x", Some(("hub", 1))),
            ("https://", None),
            ("https://hub:port", None),
            ("hub:6443", None),
            ("", None),
        ] {
            let found = host(url);
            assert_eq!(
                found.as_ref().map(|(host, port)| (host.as_str(), *port)),
                want,
                "{url}"
            );
        }
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        let now = Timestamp::UNIX_EPOCH;
        for (secs, want, is_well) in [
            (0, "equal to the hub's", true),
            (30, "30 s ahead of the hub's", true),
            (61, "61 s ahead of the hub's", false),
            (-90, "90 s behind the hub's", false),
        ] {
            let ours = now + SignedDuration::from_secs(secs);
            assert_eq!(compare(now, ours), (want.to_owned(), is_well));
        }
    }

    #[test]
    fn what_is_wrong_with_a_certificate_has_its_own_advice() {
        use rustls::CertificateError as Certificate;
        for (problem, want) in [
            (Certificate::Expired, "has expired"),
            (Certificate::NotValidYet, "set the clock"),
            (Certificate::NotValidForName, "another name"),
            (Certificate::UnknownIssuer, "secret ns/fleet-agent"),
            (Certificate::BadSignature, "secret ns/fleet-agent"),
            (Certificate::BadEncoding, "of no use"),
        ] {
            let advice = tls_advice(&problem, "ns/fleet-agent");
            assert!(advice.contains(want), "{advice}");
        }
    }
}
