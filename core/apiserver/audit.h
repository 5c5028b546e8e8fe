// Audit: what the API server tells the audit log of requests, as upstream's Event audit.k8s.io/v1 in JSON lines. An AuditTrail
// follows one request from its authentication to its answer; there is none for a request that the policy leaves out. Owner's
// loop thread. Events of requests that a crash cut off end with what was written before (RequestReceived, ResponseStarted).
// Specification: Kubernetes "Auditing" (k8s.io/apiserver, pkg/audit, pkg/endpoints/filters/audit.go).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/apiserver/audit_log.h"
#include "core/apiserver/audit_policy.h"
#include "core/apiserver/passing_responder.h"
#include "core/base/metrics.h"

namespace bramble {

class AuditTrail;

class Audit : public std::enable_shared_from_this<Audit> {
 public:
  Audit(AuditPolicy policy, AuditLogOptions log, const Clock& clock);

  // What came, before it is decided upon. Null: nothing is told of it. The request must outlive the trail.
  struct Arrived {
    std::string id, uri, user_agent;
    std::vector<std::string> source_ips;
    Identity user;
    Attributes what;
    bool long_running = false;
  };
  static Arrived arrived(const HttpRequest& http, const Attributes& what);
  std::shared_ptr<AuditTrail> begin(Arrived arrived, std::shared_ptr<Responder> responder);
  // The same for somebody who could not prove who they are: upstream tells of the answer's beginning alone.
  std::shared_ptr<AuditTrail> begin_unauthenticated(Arrived arrived, const HttpRequest& http, std::shared_ptr<Responder> responder);

  Task<void> flush() { return log_.flush(); }
  void finish() { log_.finish(); }
  void print_metrics(MetricText& out) const;

 private:
  friend class AuditTrail;
  void write(std::string line);

  AuditPolicy policy_;
  AuditLog log_;
  const Clock& clock_;
  uint64_t events_ = 0;
  uint64_t levels_[4] = {};
};

class AuditTrail final : public PassingResponder {
 public:
  // responder may be null: a part of this process asks (answered() tells the end).
  AuditTrail(std::shared_ptr<Audit> audit, AuditDecision decision, Audit::Arrived arrived, std::shared_ptr<Responder> responder, bool began_only);
  ~AuditTrail() override;
  AuditTrail(const AuditTrail&) = delete;

  void impersonated(const Identity& user) { impersonated_ = user; }
  void annotate(std::string_view key, std::string_view value) { annotations_.emplace(key, value); }
  void annotate(const std::map<std::string, std::string>& annotations) { annotations_.insert(annotations.begin(), annotations.end()); }
  // The object in the body of a request; what says only how it is to change, or to be deleted.
  void requested(const Document& object);
  void patched(const Document& patch);
  // The answer's object, where the answer itself is not JSON.
  void responded(const Document& object);
  void status_message(std::string message);
  // Without a responder: the end. object may be a Status.
  void answered(int code, const Document& object);

  void send(int status, std::vector<Header> headers, Buffer body) override;
  void begin(int status, std::vector<Header> headers) override;
  Task<std::unique_ptr<WebSocket>> accept_websocket(std::vector<std::string> protocols) override;
  std::unique_ptr<WebSocket> hand_over(std::vector<Header> headers) override;

 private:
  void tell(AuditStage stage);
  void complete();
  void set_code(int code);
  std::string json(AuditStage stage, const std::string& stage_time) const;
  std::string legacy_line(AuditStage stage) const;
  Document as_told(const Document& object) const;

  std::shared_ptr<Audit> audit_;
  const AuditDecision decision_;
  Audit::Arrived arrived_;
  const bool of_network_, began_only_;
  const int64_t received_us_;
  std::optional<Identity> impersonated_;
  std::map<std::string, std::string> annotations_;
  std::string name_, ns_, uid_, version_;  // of the objectRef
  Document request_object_, response_object_, status_;
  std::string status_message_;
  int code_ = 0;
  bool completed_ = false;
};

}  // namespace bramble
