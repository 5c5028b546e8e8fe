#include "images/pull/registry_session.h"

#include <algorithm>

#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/json/value.h"
#include "images/pull/answer_headers.h"
#include "images/pull/manifest.h"
#include "images/pull/reference.h"

namespace bramble {
namespace {

// Closes a connection that keeps us waiting.
class Deadline {
 public:
  Deadline(HttpClientConnection* connection, int64_t ms) : timer_([this, connection] {
    fired_ = true;
    connection->close();
  }) {
    timer_.arm_ms(ms);
  }
  Error explain(const Error& error, std::string_view where, std::string_view what) const {
    if (fired_) return Error(Code::kTimeout, cat(where, ": ", what));
    return error.prefixed(where);
  }

 private:
  bool fired_ = false;
  Timer timer_;
};

std::string origin_of(const Url& url) { return cat(url.scheme, "://", url.host, ":", url.port_or_default()); }

bool redirects(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }
bool worth_a_retry(int status) { return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504; }

Code code_of(int status) {
  switch (status) {
    case 401: return Code::kUnauthenticated;
    case 403: return Code::kPermissionDenied;
    case 404: return Code::kNotFound;
    case 405: return Code::kMethodNotAllowed;
    case 429: return Code::kTooManyRequests;
    default: return Code::kUnavailable;
  }
}

std::string_view words_of(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 416: return "Range Not Satisfiable";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "";
  }
}

// What a registry says besides the status (distribution-spec, "Error Codes"): its codes and words, cut and without control
// characters.
std::string registry_words(std::string_view body) {
  auto parsed = Document::parse(body);
  if (!parsed.ok()) return {};
  std::string out;
  for (Value e : (*parsed)["errors"].items()) {
    if (out.size() > 300) break;
    std::string_view code = e["code"].str(), message = e["message"].str();
    out += cat(out.empty() ? "" : "; ", lower(code.substr(0, 60)), code.empty() || message.empty() ? "" : ": ", message.substr(0, 200));
  }
  if (out.empty() && (*parsed)["details"].is_string()) out = (*parsed)["details"].text().substr(0, 200);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return valid_utf8(out) ? out : std::string();
}

const std::string* header_of(const std::vector<Header>& headers, std::string_view name) {
  for (const Header& h : headers)
    if (h.name == name) return &h.value;
  return nullptr;
}

}  // namespace

BlobBody::BlobBody(std::unique_ptr<HttpClientConnection> connection, std::string where, int64_t skip, PullPatience patience)
    : connection_(std::move(connection)), where_(std::move(where)), skip_(skip), patience_(patience) {}

Task<Result<std::optional<std::string>>> BlobBody::read() {
  std::string out;
  Deadline deadline(connection_.get(), patience_.progress_ms);
  // So much must come in that time, or the end.
  while (out.size() < patience_.progress_bytes) {
    auto piece = co_await connection_->read_body();
    if (!piece.ok()) {
      if (!out.empty()) co_return std::optional<std::string>(std::move(out));  // the next read tells
      co_return deadline.explain(piece.error(), where_, "the download has come to a halt");
    }
    if (!*piece) break;
    std::string& bytes = **piece;
    if (skip_ > 0) {
      size_t gone = static_cast<size_t>(std::min<int64_t>(skip_, static_cast<int64_t>(bytes.size())));
      skip_ -= static_cast<int64_t>(gone);
      bytes.erase(0, gone);
    }
    if (out.empty()) out = std::move(bytes);
    else out += bytes;
  }
  std::optional<std::string> end;
  if (out.empty()) co_return end;
  co_return std::optional<std::string>(std::move(out));
}

RegistrySession::RegistrySession(RegistryEndpoint endpoint, std::string registry, std::string repository, RegistryCredential credential,
                                 const PullSurroundings& surroundings)
    : endpoint_(std::move(endpoint)), registry_(std::move(registry)), credential_(std::move(credential)), surroundings_(surroundings) {
  repository_ = endpoint_.repository(repository);
  // A mirror of the node's admin has credentials of its own; who pulls need not have any there.
  if (credential_.empty() || (!endpoint_.is_default && !endpoint_.credential.empty())) credential_ = endpoint_.credential;
  if (!credential_.bearer_token.empty()) authorization_ = cat("Bearer ", credential_.bearer_token);
}

Url RegistrySession::url_of(std::string_view kind, std::string_view what) const {
  Url url = endpoint_.base;
  url.path += cat("/", repository_, "/", kind, "/", what);
  bool mirror = !endpoint_.is_default && endpoint_.base.authority() != registry_;
  if (mirror) url.query = cat("ns=", url_encode(registry_));
  return url;
}

Result<std::shared_ptr<TlsClientContext>> RegistrySession::tls_for(const Url& url) {
  bool own = url.same_origin(endpoint_.base);
  std::shared_ptr<TlsClientContext>& known = own ? own_tls_ : other_tls_;
  if (known) return known;
  const RegistryTls& tls = endpoint_.tls;
  TlsClientContext::Options options;
  options.verify = !(tls.insecure_skip_verify && own);
  if (options.verify) {
    for (const std::string& file : surroundings_.root_files) {
      auto pem = read_file(file, limits::kResponseBytesMax);
      if (!pem.ok()) continue;
      options.roots_pem = std::move(*pem);
      break;
    }
    if (!tls.ca_file.empty()) {
      auto pem = read_file(tls.ca_file);
      if (!pem.ok()) return pem.error().prefixed("ca_file of registries.yaml");
      options.roots_pem += cat("\n", *pem);
    }
    if (options.roots_pem.empty())
      return Error(Code::kUnauthenticated, "no certificate authorities on this node; install ca-certificates, or give a ca_file in registries.yaml");
  }
  if (own && !tls.cert_file.empty()) {
    auto certificate = read_file(tls.cert_file), key = read_file(tls.key_file);
    if (!certificate.ok()) return certificate.error().prefixed("cert_file of registries.yaml");
    if (!key.ok()) return key.error().prefixed("key_file of registries.yaml");
    options.certificate_pem = std::move(*certificate);
    options.key_pem = std::move(*key);
  }
  TRY_ASSIGN(known, TlsClientContext::create(std::move(options)));
  return known;
}

Task<Result<std::unique_ptr<HttpClientConnection>>> RegistrySession::dial(Url url) {
  HttpClientTarget target;
  target.port = url.port_or_default();
  target.server_name = url.host;
  if (url.scheme == "https") {
    auto tls = tls_for(url);
    CO_TRY(tls);
    target.tls = std::move(*tls);
  }
  auto proxy = surroundings_.proxies.server_for(url);
  CO_TRY(proxy);
  if (*proxy) {
    auto connection = co_await dial_by(**proxy, std::move(target));
    co_return connection;
  }
  auto addresses = co_await resolve_host(url.host, surroundings_.resolve);
  if (!addresses.ok()) co_return addresses.error().prefixed("dial tcp");
  Error last(Code::kUnavailable, cat("dial tcp: ", url.host, ": has no address"));
  for (const std::string& address : *addresses) {
    target.address = address;
    auto connection = co_await HttpClientConnection::open(target);
    if (connection.ok()) co_return connection;
    last = connection.error();
    // A certificate that does not convince is no better at another address.
    if (last.code() == Code::kUnauthenticated) break;
  }
  co_return last;
}

// Through a proxy: a tunnel for TLS (RFC 9110 section 9.3.6), else a connection to the proxy itself.
Task<Result<std::unique_ptr<HttpClientConnection>>> RegistrySession::dial_by(ProxyServer proxy, HttpClientTarget target) {
  auto addresses = co_await resolve_host(proxy.host, surroundings_.resolve);
  if (!addresses.ok()) co_return addresses.error().prefixed("proxy");
  Error last(Code::kUnavailable, cat("proxy ", proxy.host, ": has no address"));
  for (const std::string& address : *addresses) {
    auto at = SocketAddress::ip(address, proxy.port);
    CO_TRY(at);
    auto stream = co_await Stream::connect(*at, limits::kConnectMs);
    if (!stream.ok()) {
      last = stream.error().prefixed("proxy");
      continue;
    }
    if (!target.tls) {
      auto plain = co_await HttpClientConnection::over(std::move(*stream), target);
      co_return plain;
    }
    std::string name = cat(target.server_name.find(':') == std::string::npos ? target.server_name : cat("[", target.server_name, "]"), ":", target.port);
    std::string asked = cat("CONNECT ", name, " HTTP/1.1\r\nhost: ", name, "\r\n", proxy.authorization.empty() ? "" : "proxy-authorization: ", proxy.authorization,
                            proxy.authorization.empty() ? "\r\n" : "\r\n\r\n");
    std::string head;
    {
      Stream* s = stream->get();
      Timer late([s] { s->close(); });
      late.arm_ms(surroundings_.patience.head_ms);
      Status sent = co_await s->write_all(std::move(asked));
      while (sent.ok() && head.find("\r\n\r\n") == std::string::npos && head.size() < limits::kHeaderBytesMax) {
        auto more = co_await s->read_some(4096);
        if (!more.ok() || more->empty()) break;
        head += *more;
      }
    }
    bool open = head.starts_with("HTTP/1.") && head.size() > 12 && head.substr(8, 4) == " 200" && head.ends_with("\r\n\r\n");
    if (!open) {
      last = Error(Code::kUnavailable, cat("proxy ", proxy.host, ":", proxy.port, ": CONNECT ", name, ": ", head.empty() ? std::string("no answer") : go_quote(head.substr(0, head.find('\r')).substr(0, 100))));
      continue;
    }
    auto tunnel = co_await HttpClientConnection::over(std::move(*stream), target);
    co_return tunnel;
  }
  co_return last;
}

// One request, wherever it is redirected to. Gives what comes without looking at its status.
Task<Result<RegistrySession::Answer>> RegistrySession::send(std::string method, Url url, std::vector<Header> headers, Buffer body) {
  for (int hop = 0;; hop++) {
    if (hop > limits::kRedirectsMax) co_return Error(Code::kUnavailable, cat(url.text(), ": stopped after ", limits::kRedirectsMax, " redirects"));
    std::unique_ptr<HttpClientConnection> connection;
    for (size_t i = 0; i < idle_.size() && !connection; i++) {
      if (idle_[i].first != origin_of(url)) continue;
      connection = std::move(idle_[i].second);
      idle_.erase(idle_.begin() + static_cast<ptrdiff_t>(i));
    }
    HttpClientRequest request;
    request.method = method;
    request.target = url.target();
    request.headers = headers;
    if (url.scheme == "http") {
      auto proxy = surroundings_.proxies.server_for(url);
      CO_TRY(proxy);
      if (*proxy) request.target = cat(url.scheme, "://", url.authority(), url.target());
      if (*proxy && !(*proxy)->authorization.empty()) request.headers.push_back({"proxy-authorization", (*proxy)->authorization});
    }
    request.headers.push_back({"host", url.authority()});
    request.headers.push_back({"user-agent", cat("bramble/", BRAMBLE_VERSION)});
    request.body = body;
    Answer answer;
    bool kept = connection != nullptr;
    for (;; kept = false) {
      if (!connection) {
        auto opened = co_await dial(url);
        if (!opened.ok()) co_return Error(opened.error().code(), cat("failed to do request: ", method, " ", go_quote(url.text()), ": ", opened.error().message()));
        connection = std::move(*opened);
      }
      Deadline deadline(connection.get(), surroundings_.patience.head_ms);
      auto head = co_await connection->start(request);
      // Servers of TLS tell who speaks plainly to them so, or hang up. (The other way round plain ones may say nothing at all.)
      if (endpoint_.may_be_either && !decided_ && url.same_origin(endpoint_.base)) {
        decided_ = true;
        if (!head.ok() || head->status == 400) {
          Url secure = url;
          secure.scheme = endpoint_.base.scheme = "https";
          auto other = co_await dial(secure);
          if (other.ok()) {
            connection = std::move(*other);
            url = std::move(secure);
            continue;
          }
          endpoint_.base.scheme = "http";
        }
      }
      if (head.ok()) {
        answer.head = std::move(*head);
        break;
      }
      Error error = deadline.explain(head.error(), cat("failed to do request: ", method, " ", go_quote(url.text())), "no answer");
      connection.reset();
      if (!kept) co_return error;  // one that was kept open may have been closed meanwhile: once more on a new one
    }
    answer.connection = std::move(connection);
    answer.url = url;
    std::string location(answer.head.header("location"));
    if (!redirects(answer.head.status) || location.empty() || (method != "GET" && method != "HEAD")) co_return answer;
    auto next = resolve_url(url, location);
    if (!next.ok()) co_return next.error().prefixed(cat("redirect of ", url.text()));
    if (url.scheme == "https" && next->scheme == "http") co_return Error(Code::kUnavailable, cat(url.text(), ": redirects from https to http, which is not followed"));
    bool body_follows = method != "HEAD";
    if (body_follows) {
      auto rest = co_await read_all(&answer, limits::kErrorBodyBytesMax);
      (void)rest.ok();  // only so that the connection may be used again
    }
    put_back(&answer);
    if (!next->same_origin(url)) std::erase_if(headers, [](const Header& h) { return h.name == "authorization"; });
    url = std::move(*next);
  }
}

Task<Result<std::string>> RegistrySession::read_all(Answer* answer, size_t bytes_max) {
  std::string out;
  Deadline deadline(answer->connection.get(), surroundings_.patience.progress_ms);
  for (;;) {
    auto piece = co_await answer->connection->read_body();
    if (!piece.ok()) {
      Error error = deadline.explain(piece.error(), answer->url.text(), "the answer has come to a halt");
      answer->connection.reset();
      co_return error;
    }
    if (!*piece) break;
    if (out.size() + (*piece)->size() > bytes_max) {
      answer->connection.reset();
      co_return Error(Code::kTooLarge, cat(answer->url.text(), ": the answer has more than ", bytes_max, " bytes"));
    }
    out += **piece;
  }
  put_back(answer);
  co_return out;
}

void RegistrySession::put_back(Answer* answer) {
  if (answer->connection && answer->connection->reusable() && idle_.size() < limits::kConnectionsIdleMax)
    idle_.emplace_back(origin_of(answer->url), std::move(answer->connection));
  answer->connection.reset();
}

Task<Error> RegistrySession::refusal(std::string method, Answer answer) {
  int status = answer.head.status;
  std::string words;
  if (method != "HEAD") {
    auto body = co_await read_all(&answer, limits::kErrorBodyBytesMax);
    if (body.ok()) words = registry_words(*body);
  }
  Url shown = answer.url;
  if (!shown.same_origin(endpoint_.base)) shown.query.clear();  // a signature
  std::string text = cat("unexpected status from ", method, " request to ", shown.text(), ": ", status, " ", words_of(status));
  if (status == 401 || status == 403) {
    text = cat("pull access denied, repository does not exist or may require authorization: ", text);
    text += credential_.empty() ? "; no credentials were given (imagePullSecrets, registries.yaml)" : "; the credentials were not accepted";
  }
  if (!words.empty()) text += cat("; the registry says: ", words);
  co_return Error(code_of(status), text);
}

Task<Result<RegistrySession::Answer>> RegistrySession::ask(std::string method, Url url, std::vector<Header> headers) {
  int64_t wait_ms = surroundings_.patience.retry_first_ms;
  bool authenticated = false;
  for (int attempt = 1;; attempt++) {
    std::vector<Header> all = headers;
    if (!authorization_.empty()) all.push_back({"authorization", authorization_});
    Buffer none;
    url.scheme = endpoint_.base.scheme;  // it may have been found out meanwhile
    auto answer = co_await send(method, url, std::move(all), none);
    CO_TRY(answer);
    int status = answer->head.status;
    if (status >= 200 && status < 300) co_return answer;
    if (status == 401 && !authenticated && credential_.bearer_token.empty() && answer->url.same_origin(endpoint_.base)) {
      authenticated = true;
      std::vector<std::string> challenges;
      for (const Header& h : answer->head.headers)
        if (h.name == "www-authenticate") challenges.push_back(h.value);
      if (method != "HEAD") {
        auto rest = co_await read_all(&*answer, limits::kErrorBodyBytesMax);
        (void)rest.ok();
      } else {
        put_back(&*answer);
      }
      Status proved = co_await authenticate(std::move(challenges));
      CO_TRY(proved);
      if (!authorization_.empty()) continue;
      Error denied(Code::kUnauthenticated, cat("pull access denied, repository does not exist or may require authorization: unexpected status from ", method, " request to ", url.text(),
                                               ": 401 Unauthorized", credential_.empty() ? "; no credentials were given (imagePullSecrets, registries.yaml)" : ""));
      co_return denied;
    }
    if (!worth_a_retry(status) || attempt >= limits::kPullAttempts) {
      Error refused = co_await refusal(method, std::move(*answer));
      co_return refused;
    }
    int64_t pause_ms = wait_ms;
    if (const std::string* after = header_of(answer->head.headers, "retry-after")) {
      auto wished = parse_retry_after(*after, RealClock().wall_us() / 1000000);
      if (wished && *wished > limits::kRetryAfterMaxMs) {
        Error refused = co_await refusal(method, std::move(*answer));
        co_return Error(refused.code(), cat(refused.message(), "; it wants to be asked again in ", *wished / 1000, " s"));
      }
      if (wished) pause_ms = std::max(pause_ms, *wished);
    }
    if (method != "HEAD") {
      auto rest = co_await read_all(&*answer, limits::kErrorBodyBytesMax);
      (void)rest.ok();
    }
    co_await sleep_ms(pause_ms);
    wait_ms = std::min(wait_ms * 2, surroundings_.patience.retry_max_ms);
  }
}

// What a 401 asks for: a token where a token service is named, else user and password.
Task<Status> RegistrySession::authenticate(std::vector<std::string> headers) {
  std::vector<Challenge> all;
  for (const std::string& h : headers)
    for (Challenge& c : parse_challenges(h)) all.push_back(std::move(c));
  authorization_.clear();
  for (const Challenge& c : all) {
    if (c.scheme != "bearer" || !c.parameters.contains("realm")) continue;
    Status done = co_await fetch_token(c.parameters);
    co_return done;
  }
  for (const Challenge& c : all) {
    if (c.scheme != "basic" || credential_.username.empty()) continue;
    authorization_ = cat("Basic ", base64_encode(cat(credential_.username, ":", credential_.password)));
    co_return ok();
  }
  co_return ok();
}

Task<Status> RegistrySession::fetch_token(std::map<std::string, std::string> challenge) {
  auto realm = parse_url(challenge["realm"]);
  if (!realm.ok()) co_return realm.error().prefixed("token service");
  if (realm->scheme == "http" && endpoint_.base.scheme == "https" && !credential_.empty())
    co_return Error(Code::kUnauthenticated, cat("token service ", realm->text(), ": would be told the credentials without TLS"));
  std::string scope = challenge.contains("scope") ? challenge["scope"] : cat("repository:", repository_, ":pull");
  std::vector<Header> headers = {{"accept", "application/json"}};
  Url url = *realm;
  Buffer body;
  std::string method = "GET";
  if (!credential_.identity_token.empty()) {
    method = "POST";
    body = make_buffer(cat("grant_type=refresh_token&client_id=bramble&service=", url_encode(challenge["service"]), "&scope=", url_encode(scope),
                           "&refresh_token=", url_encode(credential_.identity_token)));
    headers.push_back({"content-type", "application/x-www-form-urlencoded"});
  } else {
    auto add = [&url](std::string_view name, std::string_view value) {
      if (!value.empty()) url.query += cat(url.query.empty() ? "" : "&", name, "=", url_encode(value));
    };
    add("service", challenge["service"]);
    for (auto one : split(scope, ' ')) add("scope", one);
    if (!credential_.username.empty()) {
      add("account", credential_.username);
      headers.push_back({"authorization", cat("Basic ", base64_encode(cat(credential_.username, ":", credential_.password)))});
    }
  }
  int64_t wait_ms = surroundings_.patience.retry_first_ms;
  for (int attempt = 1;; attempt++) {
    auto answer = co_await send(method, url, headers, body);
    if (!answer.ok()) co_return answer.error().prefixed("failed to fetch token");
    int status = answer->head.status;
    if (status == 200) {
      auto text = co_await read_all(&*answer, limits::kTokenBytesMax);
      if (!text.ok()) co_return text.error().prefixed("failed to fetch token");
      auto parsed = Document::parse(*text);
      std::string token = parsed.ok() ? (*parsed)["token"].text((*parsed)["access_token"].str()) : std::string();
      bool printable = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
      if (token.empty() || !printable) co_return Error(Code::kUnauthenticated, cat("token service ", realm->text(), ": its answer has no token"));
      authorization_ = cat("Bearer ", token);
      co_return ok();
    }
    if (!worth_a_retry(status) || attempt >= limits::kPullAttempts) {
      Error refused = co_await refusal(method, std::move(*answer));
      co_return Error(status == 403 ? Code::kPermissionDenied : status == 401 ? Code::kUnauthenticated : Code::kUnavailable, cat("failed to authorize: failed to fetch token: ", refused.message()));
    }
    co_await sleep_ms(wait_ms);
    wait_ms = std::min(wait_ms * 2, surroundings_.patience.retry_max_ms);
  }
}

Task<Result<RegistrySession::Got>> RegistrySession::manifest(std::string reference, bool head) {
  std::vector<Header> headers = {{"accept", join(manifest_media_types(), ", ")}};
  std::string method = head ? "HEAD" : "GET";
  Url url = url_of("manifests", reference);
  auto answer = co_await ask(method, url, std::move(headers));
  CO_TRY(answer);
  Got out;
  out.media_type = answer->head.header("content-type");
  out.digest = answer->head.header("docker-content-digest");
  if (!valid_digest(out.digest)) out.digest.clear();
  if (head) {
    put_back(&*answer);
    co_return out;
  }
  auto body = co_await read_all(&*answer, limits::kImageJsonBytesMax);
  CO_TRY(body);
  out.body = std::move(*body);
  co_return out;
}

Task<Result<std::unique_ptr<BlobBody>>> RegistrySession::blob(std::string digest, int64_t size, int64_t offset) {
  std::vector<Header> headers = {{"accept", "*/*"}};
  if (offset > 0) headers.push_back({"range", cat("bytes=", offset, "-")});
  Url url = url_of("blobs", digest);
  std::string method = "GET";
  auto answer = co_await ask(method, url, std::move(headers));
  CO_TRY(answer);
  Url shown = answer->url;
  shown.query.clear();
  std::string where = shown.text();
  int64_t skip = offset;
  if (answer->head.status == 206 && offset > 0) {
    auto range = parse_content_range(answer->head.header("content-range"));
    if (!range || range->first != offset || (range->total >= 0 && range->total != size))
      co_return Error(Code::kCorrupt, cat(where, ": asked for the bytes from ", offset, " of ", size, ", got ", go_quote(answer->head.header("content-range").substr(0, 100))));
    skip = 0;
  } else if (answer->head.status != 200) {
    Error refused = co_await refusal(method, std::move(*answer));
    co_return refused;
  }
  std::string_view length = answer->head.header("content-length");
  if (auto bytes = parse_int64(length); bytes && *bytes != size - (offset - skip))
    co_return Error(Code::kCorrupt, cat(where, ": the registry sends ", *bytes, " bytes, the manifest says ", size - (offset - skip)));
  auto out = std::make_unique<BlobBody>(std::move(answer->connection), std::move(where), skip, surroundings_.patience);
  co_return out;
}

}  // namespace bramble
