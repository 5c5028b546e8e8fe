// ServerLink: what a joining machine asks the server: HTTP/1.1 requests over one connection under one TLS context, and requests
// for certificates. Errors are one line that says what to do (join.h). On the loop of its thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/crypto/x509.h"
#include "core/http/client.h"
#include "core/http/url.h"
#include "core/json/value.h"

namespace bramble {

// One request for a certificate.
struct CertificateWish {
  std::string signer;  // "kubernetes.io/kube-apiserver-client-kubelet"
  CertificateSubject subject;
  bool server_auth = false;  // else client auth
  std::string key_pem;
};

class ServerLink {
 public:
  struct Options {
    Url url;
    std::shared_ptr<TlsClientContext> tls;
    std::string bearer;  // "": none; its TLS certificate speaks
    std::string resolv_conf;
    std::string machine_clock;  // what this machine's clock says, for errors about dates
  };
  explicit ServerLink(Options options) : options_(std::move(options)) {}

  // The body of an answer of 200. kUnavailable, kTimeout: nobody answers. kInvalidArgument: what answers is no server of ours.
  Task<Result<std::string>> get(std::string path);
  // Asks, and waits until it is issued: its PEM. kPermissionDenied: refused, with the server's reason.
  Task<Result<std::string>> certify(CertificateWish wish);

 private:
  Task<Status> open();
  Task<Result<HttpResponse>> ask(HttpClientRequest request);
  Task<Result<Document>> post(std::string path, Document body);
  Task<Result<std::string>> await_decision(std::string name, std::string version);
  Task<void> watch(std::string name, std::string version, std::shared_ptr<std::optional<Result<std::string>>> out);
  HttpClientRequest request_of(std::string method, std::string target) const;
  Error refusal(int status, const std::string& body) const;
  Error unreachable(const Error& error) const;

  Options options_;
  std::unique_ptr<HttpClientConnection> connection_;
};

// What a CertificateSigningRequest's status decides: its certificate, a refusal, or nothing yet. Pure.
std::optional<Result<std::string>> decision_of(Value request);

}  // namespace bramble
