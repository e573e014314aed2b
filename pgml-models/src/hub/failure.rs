//! What may go wrong between here and the hub: an error for the caller, and whether trying again could help.

use std::io;
use std::path::Path;
use std::time::Duration;

use pgml_core::{Error, ErrorKind};
use ureq::http::HeaderMap;

/// A request that failed.
#[derive(Debug)]
pub struct Failure {
    /// For the caller, if nothing helps.
    pub error: Error,
    /// Whether another try may succeed.
    pub again: Again,
    /// A good part arrived: the next try starts afresh with counting.
    pub progressed: bool,
    /// The status that was answered, if there was an answer.
    pub status: Option<u16>,
}

/// Whether another try may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// No.
    Never,
    /// After a pause.
    Soon,
    /// After the pause that the hub asks for.
    After(Duration),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, again: Again::Never, progressed: false, status: None }
    }
}

impl Failure {
    /// One that may pass.
    pub fn passing(error: Error) -> Self {
        Self { error, again: Again::Soon, progressed: false, status: None }
    }

    /// No answer at all, or not to the end.
    pub fn of_transport(error: &ureq::Error, host: &str) -> Self {
        let failed = |what: String, hint: &str| Error::new(ErrorKind::Io, what).with_hint(hint);
        const NETWORK: &str = "check the server's network, its proxy (HTTPS_PROXY) and HF_ENDPOINT; a server without \
                               network uses models that were copied into its model cache";
        match error {
            ureq::Error::Timeout(_) => {
                Self::passing(failed(format!("the hub at {host} is silent: nothing came for too long"), NETWORK))
            }
            ureq::Error::Io(error) if broke(error) => {
                Self::passing(failed(format!("the connection to the hub at {host} broke: {error}"), NETWORK))
            }
            ureq::Error::HostNotFound => failed(format!("there is no host {host}"), NETWORK).into(),
            ureq::Error::Rustls(error) => failed(
                format!("the hub at {host} cannot be trusted: {error}"),
                "behind a proxy that inspects TLS, name its certificates in SSL_CERT_FILE of the server's environment",
            )
            .into(),
            error => Self::passing(failed(format!("the hub at {host} cannot be reached: {error}"), NETWORK)),
        }
    }

    /// An answer other than what was asked for, about `what`: `"org/name"`, perhaps with a revision.
    pub fn of_status(status: u16, headers: &HeaderMap, what: &str, had_token: bool) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let code = header("x-error-code").unwrap_or_default();
        let mut error = match status {
            // To those without a token, what does not exist and what is private look alike.
            401 if code == "RepoNotFound" => missing(code, what),
            401 | 403 => refused(status, code, what, had_token),
            404 | 410 => missing(code, what),
            429 => Error::new(ErrorKind::Io, format!("the hub allows no more requests for now, so {what} is not here"))
                .with_hint("try again in some minutes; callers with a token (HF_TOKEN) are allowed more"),
            500.. => Error::new(ErrorKind::Io, format!("the hub failed to send {what}: status {status}"))
                .with_hint("the fault is the hub's: try again later"),
            _ => Error::new(ErrorKind::Io, format!("the hub answered status {status} when asked for {what}")),
        };
        if let Some(message) = header("x-error-message") {
            error = error.with_detail(message.chars().filter(|c| !c.is_control()).take(300).collect::<String>());
        }
        let again = match status {
            429 | 503 => header("retry-after")
                .and_then(|text| text.trim().parse().ok())
                .map_or(Again::Soon, |seconds| Again::After(Duration::from_secs(seconds))),
            408 | 500 | 502 | 504 => Again::Soon,
            _ => Again::Never,
        };
        Self { error, again, progressed: false, status: Some(status) }
    }
}

fn refused(status: u16, code: &str, what: &str, had_token: bool) -> Error {
    let error = Error::new(ErrorKind::PermissionDenied, format!("the hub refuses {what}: status {status}"));
    error.with_hint(match (code == "GatedRepo" || status == 403, had_token) {
        (true, true) => "accept the model's licence on its page, as the account that the token belongs to",
        (true, false) => {
            "accept the model's licence on its page, then give that account's token: HF_TOKEN in the server's \
             environment, or the argument token"
        }
        (false, true) => "the token is not valid, or may not read this model; or there is no model of this name",
        (false, false) => {
            "check the name; a private model, or one whose licence must be accepted, needs a token: HF_TOKEN in the \
             server's environment, or the argument token"
        }
    })
}

fn missing(code: &str, what: &str) -> Error {
    let message = match code {
        "RepoNotFound" => format!("there is no model {what} on the hub"),
        "RevisionNotFound" => format!("the hub has no such revision: {what}"),
        _ => format!("the hub has no {what}"),
    };
    Error::new(ErrorKind::UnresolvedModel, message)
        .with_hint("check the spelling of name and revision; a private model needs a token (HF_TOKEN)")
}

/// What ended a connection may not end the next one; a refusal by this machine's own rules would.
fn broke(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

/// The model cache cannot be written to or read from.
pub fn of_disk(doing: &str, path: &Path, error: &io::Error) -> Error {
    let message = format!("could not {doing} \"{}\": {error}", path.display());
    Error::new(ErrorKind::Io, message).with_hint(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on the disk of the model cache, or move the cache (pgml.model_cache); what has arrived is kept, \
             and the download goes on from there"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "the operating system's user of the server must be allowed to write into the model cache \
             (pgml.model_cache), or the models must be put there beforehand"
        }
        _ => "look at the disk of the model cache (pgml.model_cache)",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, headers: &[(&'static str, &str)], had_token: bool) -> Failure {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        Failure::of_status(status, &map, "\"org/model\"", had_token)
    }

    #[test]
    fn each_status_has_its_kind_and_its_advice() {
        let gated = of(403, &[("x-error-code", "GatedRepo")], true);
        assert_eq!(gated.error.kind(), ErrorKind::PermissionDenied);
        assert!(gated.error.hint().is_some_and(|hint| hint.contains("licence")));
        assert!(of(401, &[], false).error.hint().is_some_and(|hint| hint.contains("HF_TOKEN")));
        assert!(of(401, &[], true).error.hint().is_some_and(|hint| hint.contains("not valid")));
        assert_eq!(of(404, &[], false).error.kind(), ErrorKind::UnresolvedModel);
        let unknown = of(401, &[("x-error-code", "RepoNotFound")], false).error;
        assert_eq!(unknown.kind(), ErrorKind::UnresolvedModel);
        assert_eq!(unknown.message(), "there is no model \"org/model\" on the hub");
        assert_eq!(of(404, &[], false).again, Again::Never);
        assert_eq!(of(429, &[("retry-after", "7")], false).again, Again::After(Duration::from_secs(7)));
        assert_eq!(of(429, &[("retry-after", "never")], false).again, Again::Soon);
        assert_eq!(of(502, &[], false).again, Again::Soon);
    }

    #[test]
    fn a_full_disk_says_where_to_make_room() {
        let error = of_disk("write", Path::new("/cache/blob"), &io::ErrorKind::StorageFull.into());
        assert!(error.message().contains("/cache/blob"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.starts_with("make room")), "{error}");
    }
}
