//! The client side: pooled HTTP/1.1 and HTTP/2 over plain TCP or TLS, through a proxy where the
//! environment names one.

use std::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use relay_compression::ContentEncoding;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::config::Http;

type BoxError = Box<dyn Error + Send + Sync>;

/// A request body: whole bytes or a stream passed through.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

/// How long an unused connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(90);

/// What [`HttpClient::send`] reads of an answer at most, before and after decoding.
const MAX_ANSWER: usize = 1024 * 1024;

/// Sends requests; clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client<Connector, RequestBody>,
    proxies: Option<Arc<Matcher>>,
    settings: Arc<Http>,
    tls: Arc<Tls>,
}

/// Why a client could not be made, or a request brought no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// `http.ca_file` cannot be read, or is not PEM.
    #[error("cannot read the certificate authorities in {}", path.display())]
    CaFile {
        /// The file named in the configuration.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// `http.ca_file` holds no certificate.
    #[error("no certificate in {}", .0.display())]
    EmptyCaFile(PathBuf),
    /// No connection within `http.connection_timeout`, refused, unknown host or a failed TLS handshake.
    #[error("cannot connect to {authority}")]
    Connect {
        /// Host and port that were tried.
        authority: String,
        /// The reason.
        source: BoxError,
    },
    /// The connection broke before the whole answer was there.
    #[error("the connection broke")]
    Broken(#[source] BoxError),
    /// No whole answer within `http.timeout`.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The request body could not be read.
    #[error("the request body could not be read")]
    Body(#[source] BoxError),
}

impl HttpClient {
    /// A client with the system's certificate authorities, those of `http.ca_file`, and the proxies that
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name (also in lower case).
    ///
    /// # Errors
    ///
    /// If `http.ca_file` cannot be read.
    pub fn new(settings: &Http) -> Result<Self, ClientError> {
        let extra = match &settings.ca_file {
            Some(path) => read_ca_file(path)?,
            None => Vec::new(),
        };
        let tls = Arc::new(Tls { extra, connector: OnceLock::new() });
        Ok(Self::assemble(Arc::new(settings.clone()), proxies_of_environment(), tls))
    }

    /// A client with the same settings and connections of its own, for another runtime.
    pub(crate) fn sibling(&self) -> Self {
        Self::assemble(Arc::clone(&self.settings), self.proxies.clone(), Arc::clone(&self.tls))
    }

    fn assemble(settings: Arc<Http>, proxies: Option<Arc<Matcher>>, tls: Arc<Tls>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.connection_timeout));
        let route = Route { tcp, proxies: proxies.clone() };
        let connector =
            Connector { route, tls: Arc::clone(&tls), timeout: settings.connection_timeout };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(connector);
        Self { client, proxies, settings, tls }
    }

    /// Sends a request and collects the answer, gzip decoded, at most 1 MiB of it.
    ///
    /// # Errors
    ///
    /// If no whole answer comes within `http.timeout`; an answer with an error status is no error.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, ClientError> {
        let request = request.map(|body| body.map_err(|never| match never {}).boxed_unsync());
        let answer = pin!(async {
            let (head, body) = self.dispatch(request).await?.into_parts();
            let body =
                first_bytes(body).await.map_err(|error| ClientError::Broken(error.into()))?;
            let body = match head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
                Some(b"gzip") => relay_compression::decode(ContentEncoding::Gzip, body, MAX_ANSWER)
                    .unwrap_or_default(),
                _ => body,
            };
            Ok(Response::from_parts(head, body))
        });
        within(self.settings.timeout, answer).await
    }

    /// Sends a request and waits for the head of the answer, for `timeout` at most.
    pub(crate) async fn stream(
        &self,
        request: Request<RequestBody>,
        timeout: Duration,
    ) -> Result<Response<Incoming>, ClientError> {
        within(timeout, pin!(self.dispatch(request))).await
    }

    async fn dispatch(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, ClientError> {
        if let Some(auth) = self.proxy_auth(request.uri()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, auth);
        }
        let authority = request.uri().authority().cloned();
        self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                let authority =
                    authority.map(|authority| authority.to_string()).unwrap_or_default();
                return ClientError::Connect { authority, source: error.into() };
            }
            match error.source().and_then(|source| source.downcast_ref::<hyper::Error>()) {
                Some(source) if source.is_user() => ClientError::Body(error.into()),
                _ => ClientError::Broken(error.into()),
            }
        })
    }

    /// A tunnel authenticates itself; a plain request carries the proxy's password.
    fn proxy_auth(&self, target: &Uri) -> Option<HeaderValue> {
        if target.scheme_str() != Some("http") {
            return None;
        }
        self.proxies.as_ref()?.intercept(target)?.basic_auth().cloned()
    }
}

async fn within<T>(
    timeout: Duration,
    answer: Pin<&mut impl Future<Output = Result<T, ClientError>>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(timeout, answer).await.unwrap_or(Err(ClientError::Timeout(timeout)))
}

/// The body, or its beginning if it is longer than anybody here wants to know.
async fn first_bytes(mut body: Incoming) -> Result<Bytes, hyper::Error> {
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await.transpose()? {
        let Ok(data) = frame.into_data() else { continue };
        if first.len().max(whole.len()) + data.len() > MAX_ANSWER {
            break;
        }
        if first.is_empty() {
            // Most answers come in one piece.
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

fn proxies_of_environment() -> Option<Arc<Matcher>> {
    let names =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let named =
        names.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    named.then(|| Arc::new(Matcher::from_env()))
}

fn read_ca_file(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let broken = |source| ClientError::CaFile { path: path.clone(), source };
    let certificates = CertificateDer::pem_file_iter(path).map_err(broken)?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(broken)?;
    if certificates.is_empty() {
        return Err(ClientError::EmptyCaFile(path.clone()));
    }
    Ok(certificates)
}

/// TLS settings, made when first needed: reading the system's roots takes longer than starting.
#[derive(Debug)]
struct Tls {
    extra: Vec<CertificateDer<'static>>,
    connector: OnceLock<Arc<rustls::ClientConfig>>,
}

impl Tls {
    fn config(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(self.connector.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let system = rustls_native_certs::load_native_certs();
            for error in &system.errors {
                tracing::warn!(%error, "cannot read some of the system's certificate authorities");
            }
            roots.add_parsable_certificates(system.certs);
            roots.add_parsable_certificates(self.extra.iter().cloned());
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let mut config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("ring supports the default protocol versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Arc::new(config)
        }))
    }
}

/// Opens connections: route, then TLS where the scheme asks for it, all within one time-out.
#[derive(Debug, Clone)]
struct Connector {
    route: Route,
    tls: Arc<Tls>,
    timeout: Duration,
}

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl Service<Uri> for Connector {
    type Response = hyper_rustls::MaybeHttpsStream<Routed>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let (mut route, tls, timeout) = (self.route.clone(), Arc::clone(&self.tls), self.timeout);
        Box::pin(async move {
            let connected = async {
                if target.scheme_str() == Some("https") {
                    HttpsConnector::from((route, tls.config())).call(target).await
                } else {
                    Ok(hyper_rustls::MaybeHttpsStream::Http(route.call(target).await?))
                }
            };
            tokio::time::timeout(timeout, connected)
                .await
                .map_err(|_| ClientError::Timeout(timeout))?
        })
    }
}

/// The way to a target: straight, through a proxy that speaks for us, or through its tunnel.
#[derive(Clone)]
struct Route {
    tcp: HttpConnector,
    proxies: Option<Arc<Matcher>>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("proxied", &self.proxies.is_some()).finish_non_exhaustive()
    }
}

impl Service<Uri> for Route {
    type Response = Routed;
    type Error = BoxError;
    type Future = Connecting<Routed>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let mut tcp = self.tcp.clone();
        let proxy = self.proxies.as_ref().and_then(|proxies| proxies.intercept(&target));
        Box::pin(async move {
            let Some(proxy) = proxy else {
                return Ok(Routed { io: tcp.call(target).await?, by_proxy: false });
            };
            if proxy.uri().scheme_str() != Some("http") {
                return Err("only http:// proxies are supported".into());
            }
            if target.scheme_str() == Some("http") {
                return Ok(Routed { io: tcp.call(proxy.uri().clone()).await?, by_proxy: true });
            }
            let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
            if let Some(auth) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            Ok(Routed { io: tunnel.call(target).await?, by_proxy: false })
        })
    }
}

/// A TCP connection that remembers whether requests on it must name the whole target.
struct Routed {
    io: TokioIo<TcpStream>,
    by_proxy: bool,
}

impl Connection for Routed {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.by_proxy)
    }
}

impl Read for Routed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Routed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }
}
