//! Request metadata: what an HTTP request tells about its sender and an envelope carries on.

use std::net::IpAddr;

use http::header::{ORIGIN, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderName};
use relay_auth::Credentials;
use relay_envelope::EnvelopeHeader;

use crate::config::Forwarded;
use crate::forwarded::Chain;

/// What is known of a request besides its body.
#[derive(Debug)]
pub(crate) struct RequestMeta<'a> {
    headers: &'a HeaderMap,
    peer: IpAddr,
    settings: &'a Forwarded,
}

/// The envelope header contradicts the request that brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("origin header mismatch between envelope and request")]
pub(crate) struct OriginMismatch;

impl<'a> RequestMeta<'a> {
    pub(crate) fn new(headers: &'a HeaderMap, peer: IpAddr, settings: &'a Forwarded) -> Self {
        Self { headers, peer, settings }
    }

    /// The addresses a request came through, ours being the last hop, as far as they are believed.
    pub(crate) fn chain(&self) -> Chain {
        Chain::of(self.headers, self.peer, self.settings)
    }

    /// The page the request came from: `Origin`, else `Referer`, where it is an absolute http URL.
    fn origin(&self) -> Option<String> {
        [ORIGIN, REFERER].iter().find_map(|name| {
            let url = url::Url::parse(self.text(name)?).ok()?;
            matches!(url.scheme(), "http" | "https").then(|| url.into())
        })
    }

    fn text(&self, name: &HeaderName) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn owned(&self, name: &HeaderName) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// Writes into `header` what it does not say itself: relays chain envelopes, so the header of the
    /// envelope beats the request that brought it (`spec/ingest.md` 5.2).
    pub(crate) fn complete(
        &self,
        header: &mut EnvelopeHeader,
        credentials: &Credentials,
    ) -> Result<(), OriginMismatch> {
        let origin = self.origin();
        if header.origin.is_some() && header.origin != origin {
            return Err(OriginMismatch);
        }
        header.origin = origin;
        // 7 is the default, and says nothing against what the request says.
        if header.version.is_none_or(|version| version == 7) {
            header.version = Some(credentials.version);
        }
        header.no_cache |= credentials.flags.no_cache;
        let chain = self.chain();
        if !chain.may_say_more {
            header.remote_addr = None;
            header.forwarded_for = None;
        }
        header.remote_addr.get_or_insert(self.peer);
        if header.client.is_none() {
            header.client.clone_from(&credentials.client);
        }
        if header.user_agent.is_none() {
            header.user_agent = self.owned(&USER_AGENT);
        }
        if header.forwarded_for.as_ref().is_none_or(String::is_empty) {
            header.forwarded_for = Some(chain.text);
        }
        let hints = &mut header.client_hints;
        for (hint, name) in [
            (&mut hints.sec_ch_ua, HeaderName::from_static("sec-ch-ua")),
            (&mut hints.sec_ch_ua_model, HeaderName::from_static("sec-ch-ua-model")),
            (&mut hints.sec_ch_ua_platform, HeaderName::from_static("sec-ch-ua-platform")),
            (
                &mut hints.sec_ch_ua_platform_version,
                HeaderName::from_static("sec-ch-ua-platform-version"),
            ),
        ] {
            if hint.is_none() {
                *hint = self.owned(&name);
            }
        }
        Ok(())
    }
}
