#include "core/apiserver/audit.h"

#include <arpa/inet.h>

#include "core/json/builder.h"

namespace bramble {

namespace {

constexpr size_t kUserAgentMax = 1024;

// Text as Go's encoding/json writes it: what HTML would read is escaped too.
void append_text(std::string& out, std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (size_t i = 0; i < text.size(); i++) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') out += '\\', out += static_cast<char>(c);
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (c == '\b') out += "\\b";
    else if (c == '\f') out += "\\f";
    else if (c < 0x20 || c == '<' || c == '>' || c == '&') (out += "\\u00") += kDigits[c >> 4], out += kDigits[c & 15];
    else if (text.substr(i, 3) == "\xe2\x80\xa8" || text.substr(i, 3) == "\xe2\x80\xa9") out += text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029", i += 2;
    else out += static_cast<char>(c);
  }
  out += '"';
}

std::string text(std::string_view t) {
  std::string out;
  append_text(out, valid_utf8(t) ? t : std::string_view(go_quote(t)));
  return out;
}

// JSON that stands already, as it is within Go's: outside of texts none of these characters occur.
std::string embedded(std::string_view json) {
  std::string out;
  for (size_t i = 0; i < json.size(); i++) {
    if (json[i] == '<') out += "\\u003c";
    else if (json[i] == '>') out += "\\u003e";
    else if (json[i] == '&') out += "\\u0026";
    else if (json.substr(i, 3) == "\xe2\x80\xa8") out += "\\u2028", i += 2;
    else if (json.substr(i, 3) == "\xe2\x80\xa9") out += "\\u2029", i += 2;
    else out += json[i];
  }
  return out;
}

std::string list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& t : texts) {
    if (out.size() > 1) out += ',';
    append_text(out, t);
  }
  return out + "]";
}

// The members of one JSON object, as they come.
class Members {
 public:
  void raw(std::string_view name, std::string_view json) {
    out_ += out_.empty() ? "{" : ",";
    append_text(out_, name);
    out_ += ':';
    out_ += json;
  }
  void set(std::string_view name, std::string_view value) { raw(name, text(value)); }
  void maybe(std::string_view name, std::string_view value) {
    if (!value.empty()) set(name, value);
  }
  std::string take() { return out_.empty() ? "{}" : std::move(out_) + "}"; }

 private:
  std::string out_;
};

std::string user_json(const Identity& user) {
  Members m;
  m.maybe("username", user.user);
  m.maybe("uid", user.uid);
  if (!user.groups.empty()) m.raw("groups", list(user.groups));
  if (!user.extra.empty()) {
    std::map<std::string_view, const std::vector<std::string>*> sorted;
    for (const auto& [key, values] : user.extra) sorted.emplace(key, &values);
    Members extra;
    for (const auto& [key, values] : sorted) extra.raw(key, list(*values));
    m.raw("extra", extra.take());
  }
  return m.take();
}

bool is_address(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 || inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

// As proxies tell it, and the peer itself at the end.
std::vector<std::string> source_ips(const HttpRequest& http) {
  std::vector<std::string> out;
  for (std::string_view piece : split(http.header("x-forwarded-for"), ',')) {
    std::string address(trim(piece));
    if (is_address(address)) out.push_back(std::move(address));
  }
  std::string real(trim(http.header("x-real-ip")));
  if (is_address(real) && (out.empty() || out.front() != real)) out.push_back(real);
  if (!http.remote_ip.empty() && (out.empty() || out.back() != http.remote_ip)) out.push_back(http.remote_ip);
  return out;
}

std::string methods_tried(const HttpRequest& http) {
  std::vector<std::string> tried;
  std::string_view authorization = http.header("authorization");
  if (authorization.starts_with("Basic ")) tried.emplace_back("basic");
  if (authorization.size() > 7 && equals_ignore_case(authorization.substr(0, 7), "bearer ")) tried.emplace_back("bearer");
  if (!http.peer.common_name.empty() || http.peer_certificate_invalid) tried.emplace_back("x509");
  if (tried.empty()) return "Authentication failed, no credentials provided";
  return cat("Authentication failed, attempted: ", join(tried, ", "));
}

bool is_status(const Document& object) { return object && object["kind"].str() == "Status" && object["apiVersion"].str() == "v1"; }

// Of the answer, when it is JSON.
Document parsed_answer(const std::vector<Header>& headers, const Buffer& body) {
  for (const Header& h : headers) {
    if (h.name != "content-type" || !h.value.starts_with("application/json") || !body) continue;
    auto parsed = Document::parse(body);
    if (parsed.ok()) return *parsed;
  }
  return {};
}

}  // namespace

Audit::Audit(AuditPolicy policy, AuditLogOptions log, const Clock& clock) : policy_(std::move(policy)), log_(std::move(log), clock), clock_(clock) {}

Audit::Arrived Audit::arrived(const HttpRequest& http, const Attributes& what) {
  Arrived out;
  out.uri = http.query.empty() ? http.path : cat(http.path, "?", http.query);
  out.user_agent = http.header("user-agent");
  if (out.user_agent.size() > kUserAgentMax) out.user_agent = cat(std::string_view(out.user_agent).substr(0, kUserAgentMax), "...TRUNCATED");
  out.source_ips = source_ips(http);
  out.what = what;
  return out;
}

std::shared_ptr<AuditTrail> Audit::begin(Arrived arrived, std::shared_ptr<Responder> responder) {
  AuditDecision decision = policy_.decide(arrived.user, arrived.what);
  levels_[static_cast<size_t>(decision.level)]++;
  if (decision.level == AuditLevel::kNone) return nullptr;
  return std::make_shared<AuditTrail>(shared_from_this(), decision, std::move(arrived), std::move(responder), false);
}

std::shared_ptr<AuditTrail> Audit::begin_unauthenticated(Arrived arrived, const HttpRequest& http, std::shared_ptr<Responder> responder) {
  AuditDecision decision = policy_.decide(arrived.user, arrived.what);
  levels_[static_cast<size_t>(decision.level)]++;
  if (decision.level == AuditLevel::kNone) return nullptr;
  auto trail = std::make_shared<AuditTrail>(shared_from_this(), decision, std::move(arrived), std::move(responder), true);
  trail->status_message(methods_tried(http));
  return trail;
}

void Audit::write(std::string line) {
  events_++;
  log_.write(line);
}

void Audit::print_metrics(MetricText& out) const {
  out.single("apiserver_audit_event_total", "counter", "ALPHA", "Counter of audit events generated and sent to the audit backend.",
             static_cast<double>(events_));
  out.family("apiserver_audit_error_total", "counter", "ALPHA",
             "Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.");
  out.value(label_text({{"plugin", "log"}}), static_cast<double>(log_.dropped()));
  out.family("apiserver_audit_level_total", "counter", "ALPHA", "Counter of policy levels for audit events (1 per request).");
  for (size_t i = 0; i < 4; i++) out.value(label_text({{"level", name_of(static_cast<AuditLevel>(i))}}), static_cast<double>(levels_[i]));
  out.single("apiserver_audit_requests_rejected_total", "counter", "ALPHA",
             "Counter of apiserver requests rejected due to an error in audit logging backend.", 0);
}

AuditTrail::AuditTrail(std::shared_ptr<Audit> audit, AuditDecision decision, Audit::Arrived arrived, std::shared_ptr<Responder> responder,
                       bool began_only)
    : PassingResponder(responder),
      audit_(std::move(audit)),
      decision_(decision),
      arrived_(std::move(arrived)),
      of_network_(responder != nullptr),
      began_only_(began_only),
      received_us_(audit_->clock_.wall_us()),
      name_(arrived_.what.name),
      ns_(arrived_.what.ns) {
  if (!began_only_) tell(kRequestReceived);
}

// A connection that ended before the answer began: upstream makes up a success.
AuditTrail::~AuditTrail() {
  if (completed_ || began_only_ || !of_network_) return;
  if (code_ == 0) {
    code_ = 200;
    status_message_ = "Connection closed early";
    if (arrived_.long_running) tell(kResponseStarted);
  }
  complete();
}

// An object as the log shows it.
Document AuditTrail::as_told(const Document& object) const {
  if (!decision_.omit_managed_fields) return object;
  auto strip = [](Mut o) {
    Mut metadata = o["metadata"];
    if (metadata.is_object()) metadata.remove("managedFields");
  };
  Builder b(object.root());
  strip(b.root());
  if (b.root()["items"].is_array()) {
    for (Mut item : b.root()["items"].items()) strip(item);
  }
  return b.finish();
}

void AuditTrail::requested(const Document& object) {
  Value metadata = object["metadata"];
  if (ns_.empty()) ns_ = metadata["namespace"].str();
  if (name_.empty()) name_ = metadata["name"].str();
  uid_ = metadata["uid"].str();
  version_ = metadata["resourceVersion"].str();
  if (decision_.level >= AuditLevel::kRequest) request_object_ = as_told(object);
}

void AuditTrail::patched(const Document& patch) {
  if (decision_.level >= AuditLevel::kRequest) request_object_ = patch;
}

void AuditTrail::responded(const Document& object) {
  if (is_status(object)) status_ = object;
  if (decision_.level >= AuditLevel::kRequestResponse) response_object_ = as_told(object);
}

void AuditTrail::status_message(std::string message) { status_message_ = std::move(message); }

void AuditTrail::set_code(int code) {
  if (code_ != 0) return;
  code_ = code;
  if (arrived_.long_running || began_only_) tell(kResponseStarted);
}

void AuditTrail::complete() {
  if (completed_ || began_only_) return;
  completed_ = true;
  tell(kResponseComplete);
}

void AuditTrail::answered(int code, const Document& object) {
  if (object) responded(object);
  set_code(code);
  complete();
}

void AuditTrail::send(int status, std::vector<Header> headers, Buffer body) {
  // Whether the answer is a Status is of interest at every level; a failure always may be, a success is only when it is small.
  bool wanted = decision_.level >= AuditLevel::kRequestResponse || status >= 400 || arrived_.what.verb.starts_with("delete");
  if (wanted && !response_object_ && !status_) {
    if (Document object = parsed_answer(headers, body)) responded(object);
  }
  set_code(status);
  complete();
  PassingResponder::send(status, std::move(headers), std::move(body));
}

void AuditTrail::begin(int status, std::vector<Header> headers) {
  set_code(status);
  PassingResponder::begin(status, std::move(headers));
}

Task<std::unique_ptr<WebSocket>> AuditTrail::accept_websocket(std::vector<std::string> protocols) {
  set_code(101);
  return PassingResponder::accept_websocket(std::move(protocols));
}

std::unique_ptr<WebSocket> AuditTrail::hand_over(std::vector<Header> headers) {
  set_code(101);
  return PassingResponder::hand_over(std::move(headers));
}

void AuditTrail::tell(AuditStage stage) {
  if (decision_.omit_stages & stage) return;
  if (audit_->log_.legacy()) return audit_->write(legacy_line(stage));
  audit_->write(json(stage, format_rfc3339_micro(stage == kRequestReceived ? received_us_ : audit_->clock_.wall_us())));
}

// Members in the order of upstream's struct.
std::string AuditTrail::json(AuditStage stage, const std::string& stage_time) const {
  const Attributes& what = arrived_.what;
  Members e;
  e.set("kind", "Event");
  e.set("apiVersion", "audit.k8s.io/v1");
  e.set("level", name_of(decision_.level));
  e.set("auditID", arrived_.id);
  e.set("stage", name_of(stage));
  e.set("requestURI", arrived_.uri);
  e.set("verb", what.verb);
  e.raw("user", user_json(arrived_.user));
  if (impersonated_) e.raw("impersonatedUser", user_json(*impersonated_));
  if (!arrived_.source_ips.empty()) e.raw("sourceIPs", list(arrived_.source_ips));
  e.maybe("userAgent", arrived_.user_agent);
  if (what.resource_request) {
    Members ref;
    ref.maybe("resource", what.resource);
    ref.maybe("namespace", ns_);
    ref.maybe("name", name_);
    ref.maybe("uid", uid_);
    ref.maybe("apiGroup", what.group);
    ref.maybe("apiVersion", what.version);
    ref.maybe("resourceVersion", version_);
    ref.maybe("subresource", what.subresource);
    e.raw("objectRef", ref.take());
  }
  if (code_ != 0) {
    Members s;
    s.raw("metadata", "{}");
    if (status_) {
      s.maybe("status", status_["status"].str());
      s.maybe("message", status_["message"].str());
      s.maybe("reason", status_["reason"].str());
      if (status_["details"].is_object()) s.raw("details", embedded(status_["details"].dump()));
    } else {
      if (status_message_ == "Connection closed early") s.set("status", "Success");
      s.maybe("message", status_message_);
    }
    s.raw("code", cat(code_));
    e.raw("responseStatus", s.take());
  }
  if (request_object_) e.raw("requestObject", embedded(*request_object_.bytes()));
  if (response_object_ && stage != kResponseStarted) e.raw("responseObject", embedded(*response_object_.bytes()));
  e.set("requestReceivedTimestamp", format_rfc3339_micro(received_us_));
  e.set("stageTimestamp", stage_time);
  if (!annotations_.empty()) {
    Members a;
    for (const auto& [key, value] : annotations_) a.set(key, value);
    e.raw("annotations", a.take());
  }
  return e.take() + "\n";
}

std::string AuditTrail::legacy_line(AuditStage stage) const {
  std::string received = format_rfc3339_micro(received_us_);
  received.pop_back();
  while (received.ends_with('0')) received.pop_back();
  if (received.ends_with('.')) received.pop_back();
  auto quoted = [](const std::vector<std::string>& words) {
    std::vector<std::string> out;
    for (const std::string& w : words) out.push_back(go_quote(w));
    return join(out, ",");
  };
  auto or_else = [](std::string_view value, std::string_view none) { return std::string(value.empty() ? none : value); };
  const Identity& user = arrived_.user;
  std::string groups = user.user.empty() || user.groups.empty() ? "<none>" : quoted(user.groups);
  std::string as = impersonated_ ? impersonated_->user : "<self>";
  std::string as_groups = impersonated_ && !impersonated_->groups.empty() ? quoted(impersonated_->groups) : "<lookup>";
  std::string ip = arrived_.source_ips.empty() ? "<unknown>" : arrived_.source_ips[0];
  return cat(received, "Z AUDIT: id=", go_quote(arrived_.id), " stage=", go_quote(name_of(stage)), " ip=", go_quote(ip),
             " method=", go_quote(arrived_.what.verb), " user=", go_quote(or_else(user.user, "<none>")), " groups=", go_quote(groups),
             " as=", go_quote(as), " asgroups=", go_quote(as_groups), " user-agent=", go_quote(arrived_.user_agent),
             " namespace=", go_quote(or_else(ns_, "<none>")), " uri=", go_quote(arrived_.uri), " response=\"",
             code_ == 0 ? std::string("<deferred>") : cat(code_), "\"\n");
}

}  // namespace bramble
