//! Requests to the hub. Redirects are followed here, so that the token stays with the hub and what the hub itself says
//! about a file is seen.

use std::sync::Arc;

use pgml_core::{Error, ErrorKind, Result};
use ureq::config::Config;
use ureq::http::{HeaderMap, Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::failure::Failure;
use super::settings::{Patience, Settings};

const MAX_REDIRECTS: usize = 5;

/// Asks one hub, as one caller. All its connections can be closed at once, by [`Client::close`].
pub struct Client {
    agent: Agent,
    endpoint: Uri,
    token: Option<String>,
}

/// What came back.
pub struct Answer {
    /// Of the last host.
    pub response: Response<Body>,
    /// What the hub itself said, before it sent us elsewhere.
    pub hub: HeaderMap,
    /// Who sent it.
    pub host: String,
}

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The content from this byte on.
    Get(u64),
    /// What the hub says about the content. Not followed to other hosts.
    Head,
}

impl Client {
    /// A client of the settings' hub. `token` goes before the settings' own.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when the endpoint is no address or the token cannot be sent.
    pub fn new(settings: &Settings, token: Option<&str>) -> Result<Self> {
        let endpoint: Option<Uri> = settings.endpoint.parse().ok();
        let endpoint = endpoint
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some())
            .ok_or_else(|| {
                Error::new(ErrorKind::InvalidParameter, format!("\"{}\" is no address of a hub", settings.endpoint))
                    .with_hint("HF_ENDPOINT is like https://host or http://host:port")
            })?;
        let token = token.map(str::to_owned).or_else(|| settings.token.clone());
        if token.as_ref().is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Error::new(ErrorKind::InvalidParameter, "the token has characters that no token has"));
        }
        Ok(Self { agent: agent(&settings.patience, &endpoint)?, endpoint, token })
    }

    /// Closes all connections, and refuses new ones: whoever waits on one gets an error at once.
    pub fn close(&self) {
        self.agent.clone().shutdown();
    }

    /// The hub's answer to a request for `path`, which begins with a slash; `what` is what it is about.
    ///
    /// # Errors
    /// A [`Failure`] for every answer that is not a success.
    pub fn ask(&self, path: &str, method: Method, what: &str) -> Result<Answer, Failure> {
        let mut uri = parse(&format!("{}{path}", self.endpoint.to_string().trim_end_matches('/')))?;
        let mut hub = None;
        for _ in 0..=MAX_REDIRECTS {
            let host = uri.authority().map(ToString::to_string).unwrap_or_default();
            let response = self.send(&uri, method).map_err(|error| Failure::of_transport(&error, &host))?;
            let status = response.status();
            if self.is_hub(&uri) {
                hub = Some(response.headers().clone());
            }
            let hub = hub.clone().unwrap_or_default();
            match response.headers().get("location").filter(|_| status.is_redirection()) {
                Some(location) => {
                    let next = join(&uri, location.to_str().unwrap_or_default())?;
                    if method == Method::Head && !self.is_hub(&next) {
                        return Ok(Answer { response, hub, host });
                    }
                    uri = next;
                }
                None if status.is_success() => return Ok(Answer { response, hub, host }),
                None => {
                    let had_token = self.token.is_some();
                    return Err(Failure::of_status(status.as_u16(), response.headers(), what, had_token));
                }
            }
        }
        Err(Error::new(ErrorKind::Io, format!("the hub sends requests for {what} round in circles")).into())
    }

    fn send(&self, uri: &Uri, method: Method) -> Result<Response<Body>, ureq::Error> {
        let mut request = match method {
            Method::Get(_) => self.agent.get(uri),
            Method::Head => self.agent.head(uri),
        };
        if let Some(token) = self.token.as_ref().filter(|_| self.is_hub(uri)) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Method::Get(start @ 1..) = method {
            request = request.header("range", format!("bytes={start}-"));
        }
        request.call()
    }

    /// Whether an address is the hub's own: same scheme, same host, same port.
    fn is_hub(&self, uri: &Uri) -> bool {
        uri.scheme() == self.endpoint.scheme() && uri.authority() == self.endpoint.authority()
    }
}

fn agent(patience: &Patience, endpoint: &Uri) -> Result<Agent> {
    let mut config = Config::builder()
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // Sizes and digests are those of the content itself.
        .accept_encoding("identity")
        .user_agent(concat!("pgml/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(certificates()?).build())
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_per_read(Some(patience.silence))
        .timeout_per_write(Some(patience.silence));
    if matches!(endpoint.host(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        config = config.proxy(None);
    }
    Ok(config.build().new_agent())
}

/// Who is trusted to vouch for hosts: the certificates in the file that the environment names, else Mozilla's.
fn certificates() -> Result<RootCerts> {
    let named = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].iter().find_map(|name| {
        let path = std::env::var_os(name).filter(|path| !path.is_empty())?;
        Some((name, path))
    });
    let Some((name, path)) = named else { return Ok(RootCerts::WebPki) };
    let unusable = |why: String| {
        Error::new(ErrorKind::Io, format!("the certificates in \"{}\" cannot be used: {why}", path.display()))
            .with_hint(format!("{name} in the server's environment names this file"))
    };
    let pem = std::fs::read(&path).map_err(|error| unusable(error.to_string()))?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<Certificate<'static>> = certificates.collect();
    if certificates.is_empty() {
        return Err(unusable("there are none in PEM form".into()));
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

fn parse(address: &str) -> Result<Uri, Failure> {
    address.parse().map_err(|_| Error::new(ErrorKind::Io, format!("\"{address}\" is no address")).into())
}

/// Where a redirect leads. From a secure address only to another.
fn join(from: &Uri, location: &str) -> Result<Uri, Failure> {
    let scheme = from.scheme_str().unwrap_or("https");
    let address = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{}{location}", from.authority().map_or("", |authority| authority.as_str()))
    } else {
        location.to_owned()
    };
    let uri = parse(&address)?;
    match (scheme, uri.scheme_str()) {
        (_, Some("https")) | ("http", Some("http")) => Ok(uri),
        // The address may hold a secret: it is not shown.
        _ => Err(Error::new(ErrorKind::Io, "the hub redirects to an address that is not secure").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_secure() {
        let from: Uri = "https://hub.example/a/b".parse().expect("an address");
        let to = |location| join(&from, location).map(|uri| uri.to_string()).ok();
        assert_eq!(to("/c?d").as_deref(), Some("https://hub.example/c?d"));
        assert_eq!(to("https://cdn.example/x").as_deref(), Some("https://cdn.example/x"));
        assert_eq!(to("//cdn.example/x").as_deref(), Some("https://cdn.example/x"));
        for location in ["http://hub.example/x", "file:///etc/passwd", "relative", ""] {
            assert_eq!(to(location), None, "{location}");
        }
    }

    #[test]
    fn an_endpoint_is_an_address_and_a_token_one_word() {
        let mut settings = Settings::from_env("/nowhere");
        settings.endpoint = "hub".into();
        assert!(Client::new(&settings, None).is_err());
        settings.endpoint = "http://localhost:1".into();
        assert!(Client::new(&settings, Some("hf_abc")).is_ok());
        assert!(Client::new(&settings, Some("a\r\nhost: b")).is_err());
    }
}
