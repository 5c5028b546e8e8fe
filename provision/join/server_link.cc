#include "provision/join/server_link.h"

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/json/builder.h"
#include "core/loop/race.h"
#include "core/loop/resolve.h"

namespace bramble {
namespace {

constexpr std::string_view kRequestsPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

std::string first_words(std::string_view text) {
  constexpr size_t kShown = 200;
  std::string out;
  for (char c : text.substr(0, kShown)) out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  return std::string(trim(out));
}

bool is_web_page(std::string_view body) {
  std::string_view text = trim(body);
  return text.starts_with("<");
}

Task<void> finish(Task<Result<HttpResponse>> asking, std::shared_ptr<std::optional<Result<HttpResponse>>> out) {
  auto answer = co_await asking;
  out->emplace(std::move(answer));
}

Document request_object(const CertificateWish& wish, const std::string& pem) {
  Builder b;
  Mut root = b.root();
  root.set("apiVersion", "certificates.k8s.io/v1");
  root.set("kind", "CertificateSigningRequest");
  root.object("metadata").set("generateName", wish.server_auth ? "csr-" : "node-csr-");
  Mut spec = root.object("spec");
  spec.set("request", base64_encode(pem));
  spec.set("signerName", wish.signer);
  spec.set("expirationSeconds", limits::kNodeCertificateLifeS);
  Mut usages = spec.array("usages");
  usages.append("digital signature");
  usages.append(wish.server_auth ? "server auth" : "client auth");
  return b.finish();
}

}  // namespace

std::optional<Result<std::string>> decision_of(Value request) {
  const Value status = request["status"];
  for (Value c : status["conditions"].items()) {
    std::string_view type = c["type"].str();
    if (type != "Denied" && type != "Failed") continue;
    std::string why = c["message"].text();
    if (why.empty()) why = c["reason"].text("without a reason");
    return Result<std::string>(Error(Code::kPermissionDenied, type == "Denied" ? why : cat("the server could not issue the certificate: ", why)));
  }
  if (status["certificate"].str().empty()) return std::nullopt;
  auto pem = base64_decode(status["certificate"].str());
  if (!pem) return Result<std::string>(Error(Code::kInvalidArgument, "the server's certificate is not base64"));
  return Result<std::string>(std::move(*pem));
}

Error ServerLink::unreachable(const Error& error) const {
  std::string where = options_.url.authority();
  if (error.code() == Code::kUnauthenticated) {
    bool dates = error.message().find("expired") != std::string::npos;
    return Error(Code::kUnauthenticated,
                 cat(where, ": ", error.message(),
                     dates ? cat("; this machine's clock says ", options_.machine_clock, ": set it if that is wrong")
                           : "; check that --server names it by a name or address of its certificate (--tls-san of the server adds some)"));
  }
  if (error.code() == Code::kIo) return Error(Code::kInvalidArgument, cat(where, ": does not speak TLS as a server does (", error.message(), "); check the address and port of --server"));
  return Error(error.code() == Code::kTimeout ? Code::kTimeout : Code::kUnavailable,
               cat(where, ": no answer (", error.message(), "); check that bramble server runs there, and the address and port of --server"));
}

Error ServerLink::refusal(int status, const std::string& body) const {
  std::string where = options_.url.authority();
  if (is_web_page(body)) {
    return Error(Code::kInvalidArgument, cat(where, ": answers with a web page: it is no bramble server; check the address and port of --server"));
  }
  auto parsed = Document::parse(std::string_view(body));
  std::string said = parsed.ok() ? (*parsed)["message"].text() : first_words(body);
  if (status == 401) {
    return Error(Code::kUnauthenticated,
                 options_.bearer.empty()
                     ? cat(where, ": does not know this node's certificate (its name was given to another machine, or it is of another cluster); on the server see: bramble node list")
                     : cat(where, ": does not accept the token: it is wrong, has expired, or is of another cluster; take one from <data-dir>/server/node-token of the server, or from: bramble token create"));
  }
  if (status == 403) return Error(Code::kPermissionDenied, cat(where, ": ", said));
  if (status == 429) return Error(Code::kTooManyRequests, cat(where, ": too many machines join at once; tried again later"));
  if (status == 404) return Error(Code::kInvalidArgument, cat(where, ": is no bramble server (404 ", said, "); check the address and port of --server"));
  return Error(status >= 500 ? Code::kUnavailable : Code::kInvalidArgument, cat(where, ": answered ", status, ": ", said));
}

// Tries the name's addresses one after the other.
Task<Status> ServerLink::open() {
  if (connection_ && connection_->reusable()) co_return ok();
  connection_.reset();
  ResolveFiles files;
  if (!options_.resolv_conf.empty()) files.resolv_conf = options_.resolv_conf;
  auto addresses = co_await resolve_host(options_.url.host, files);
  if (!addresses.ok()) co_return unreachable(addresses.error());
  Error last(Code::kUnavailable, "has no address");
  for (const std::string& address : *addresses) {
    HttpClientTarget target;
    target.address = address;
    target.port = options_.url.port;
    target.tls = options_.tls;
    target.server_name = options_.url.host;
    auto opened = co_await HttpClientConnection::open(target);
    if (opened.ok()) {
      connection_ = std::move(*opened);
      co_return ok();
    }
    last = opened.error();
  }
  co_return unreachable(last);
}

HttpClientRequest ServerLink::request_of(std::string method, std::string target) const {
  HttpClientRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers = {{"accept", "application/json"}, {"user-agent", "bramble-agent"}};
  if (!options_.bearer.empty()) request.headers.push_back({"authorization", cat("Bearer ", options_.bearer)});
  return request;
}

Task<Result<HttpResponse>> ServerLink::ask(HttpClientRequest request) {
  Task<Status> opening = open();
  Status opened = co_await opening;
  if (!opened.ok()) co_return opened.error();
  auto answer = std::make_shared<std::optional<Result<HttpResponse>>>();
  {
    Race race;  // ends before its connection does
    race.add(finish(connection_->request(std::move(request), limits::kJoinAnswerBytesMax), answer));
    race.within_ms(limits::kJoinAnswerMs);
    co_await race.first().wait();
  }
  if (!*answer) {
    connection_.reset();
    co_return unreachable(Error(Code::kTimeout, "took too long"));
  }
  if (!(*answer)->ok()) {
    connection_.reset();
    co_return unreachable((*answer)->error());
  }
  co_return std::move(**answer);
}

Task<Result<std::string>> ServerLink::get(std::string path) {
  Task<Result<HttpResponse>> asking = ask(request_of("GET", path));
  auto answer = co_await asking;
  if (!answer.ok()) co_return answer.error();
  if (answer->status != 200 || is_web_page(answer->body)) co_return refusal(answer->status, answer->body);
  co_return std::move(answer->body);
}

Task<Result<Document>> ServerLink::post(std::string path, Document body) {
  HttpClientRequest request = request_of("POST", path);
  request.headers.push_back({"content-type", "application/json"});
  request.body = body.bytes();
  Task<Result<HttpResponse>> asking = ask(std::move(request));
  auto answer = co_await asking;
  if (!answer.ok()) co_return answer.error();
  if (answer->status != 201) co_return refusal(answer->status, answer->body);
  auto parsed = Document::parse(std::string_view(answer->body));
  if (!parsed.ok()) co_return refusal(answer->status, answer->body);
  co_return std::move(*parsed);
}

Task<Result<std::string>> ServerLink::certify(CertificateWish wish) {
  auto key = PrivateKey::from_pem(wish.key_pem);
  if (!key.ok()) co_return key.error();
  auto pem = make_certificate_request(wish.subject, *key);
  if (!pem.ok()) co_return pem.error();
  Task<Result<Document>> posting = post(std::string(kRequestsPath), request_object(wish, *pem));
  auto created = co_await posting;
  if (!created.ok()) co_return created.error();
  if (auto decided = decision_of(created->root())) co_return std::move(*decided);
  Task<Result<std::string>> waiting = await_decision(std::string(name_of(*created)), std::string(version_of(*created)));
  auto decided = co_await waiting;
  co_return decided;
}

Task<void> ServerLink::watch(std::string name, std::string version, std::shared_ptr<std::optional<Result<std::string>>> out) {
  std::string target = cat(kRequestsPath, "?watch=true&fieldSelector=metadata.name%3D", url_encode(name), "&resourceVersion=", url_encode(version),
                           "&timeoutSeconds=", limits::kJoinDecisionMs / 1000);
  Task<Status> opening = open();
  Status opened = co_await opening;
  if (!opened.ok()) {
    out->emplace(opened.error());
    co_return;
  }
  auto head = co_await connection_->start(request_of("GET", target));
  if (!head.ok()) {
    out->emplace(unreachable(head.error()));
    co_return;
  }
  std::string text;
  for (;;) {
    auto piece = co_await connection_->read_body();
    if (!piece.ok() || !*piece) {
      Error ended(Code::kUnavailable, "the connection ended before the certificate was issued");
      out->emplace(head->status == 200 ? unreachable(piece.ok() ? ended : piece.error()) : refusal(head->status, text));
      co_return;
    }
    text += **piece;
    if (text.size() > limits::kJoinAnswerBytesMax) {
      out->emplace(Error(Code::kTooLarge, cat(options_.url.authority(), ": its answer is too long")));
      co_return;
    }
    size_t end;
    while (head->status == 200 && (end = text.find('\n')) != std::string::npos) {
      auto event = Document::parse(std::string_view(text).substr(0, end));
      text.erase(0, end + 1);
      if (!event.ok()) continue;
      std::string_view type = (*event)["type"].str();
      if (type == "DELETED" || type == "ERROR") {
        out->emplace(Error(Code::kUnavailable, cat(options_.url.authority(), ": the request for a certificate is gone; tried again")));
        co_return;
      }
      if (auto decided = decision_of((*event)["object"])) {
        out->emplace(std::move(*decided));
        co_return;
      }
    }
  }
}

Task<Result<std::string>> ServerLink::await_decision(std::string name, std::string version) {
  auto decided = std::make_shared<std::optional<Result<std::string>>>();
  {
    Race race;
    race.add(watch(name, version, decided));
    race.within_ms(limits::kJoinDecisionMs);
    co_await race.first().wait();
  }
  connection_.reset();  // the watch has it
  if (!*decided) {
    co_return Error(Code::kTimeout, cat("the request for a certificate was neither approved nor denied; on the server see: kubectl get csr, then: kubectl certificate approve ", name));
  }
  co_return std::move(**decided);
}

}  // namespace bramble
