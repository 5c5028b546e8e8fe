// RegistrySession: one endpoint of a registry as one pull uses it: connections, who we are, redirects, patience
// (OCI Distribution Specification 1.1; Docker's token authentication). Credentials go to that endpoint and to the token service
// that it names, never to where it redirects. Belongs to the pull thread's loop; errors name the URL and the cause.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/http/client.h"
#include "core/loop/resolve.h"
#include "images/pull/proxy_settings.h"
#include "images/pull/registries.h"

namespace bramble {

// How long a registry may take; smaller in tests.
struct PullPatience {
  int64_t head_ms = limits::kPullHeadMs, progress_ms = limits::kPullProgressMs;
  int64_t retry_first_ms = limits::kPullRetryFirstMs, retry_max_ms = limits::kPullRetryMaxMs;
  size_t progress_bytes = limits::kPullProgressBytes;
};

struct PullSurroundings {
  ResolveFiles resolve;
  std::vector<std::string> root_files;  // certificate authorities; the first that is there counts
  ProxySettings proxies;
  PullPatience patience;
};

// A blob's bytes as they come.
class BlobBody {
 public:
  BlobBody(std::unique_ptr<HttpClientConnection> connection, std::string where, int64_t skip, PullPatience patience);
  // nullopt: the end of the answer. kUnavailable, kTimeout.
  Task<Result<std::optional<std::string>>> read();

 private:
  std::unique_ptr<HttpClientConnection> connection_;
  std::string where_;
  int64_t skip_;
  PullPatience patience_;
};

class RegistrySession {
 public:
  // registry: whose name the image has ("docker.io"). credential: of who asks; empty: the endpoint's own, or none.
  RegistrySession(RegistryEndpoint endpoint, std::string registry, std::string repository, RegistryCredential credential,
                  const PullSurroundings& surroundings);
  RegistrySession(const RegistrySession&) = delete;

  struct Got {
    std::string body, media_type, digest;  // digest: as the registry says it, may be empty
  };
  // HEAD (no body) or GET of a manifest by tag or digest. kNotFound, kUnauthenticated, kPermissionDenied, kTooManyRequests,
  // kUnavailable, kTimeout, kTooLarge, kMethodNotAllowed (of HEAD).
  Task<Result<Got>> manifest(std::string reference, bool head);
  // size: what the manifest says. From an offset, which the registry may not know of: then what comes before is thrown away.
  Task<Result<std::unique_ptr<BlobBody>>> blob(std::string digest, int64_t size, int64_t offset);

  std::string where() const { return endpoint_.base.authority(); }

 private:
  struct Answer {
    HttpResponse head;
    std::unique_ptr<HttpClientConnection> connection;
    Url url;
  };
  Task<Result<Answer>> ask(std::string method, Url url, std::vector<Header> headers);
  Task<Result<Answer>> send(std::string method, Url url, std::vector<Header> headers, Buffer body);
  Task<Result<std::unique_ptr<HttpClientConnection>>> dial(Url url);
  Task<Result<std::unique_ptr<HttpClientConnection>>> dial_by(ProxyServer proxy, HttpClientTarget target);
  Task<Result<std::string>> read_all(Answer* answer, size_t bytes_max);
  void put_back(Answer* answer);  // its connection, for the next request
  Task<Error> refusal(std::string method, Answer answer);
  Task<Status> authenticate(std::vector<std::string> headers);
  Task<Status> fetch_token(std::map<std::string, std::string> challenge);
  Result<std::shared_ptr<TlsClientContext>> tls_for(const Url& url);
  Url url_of(std::string_view kind, std::string_view what) const;

  RegistryEndpoint endpoint_;
  std::string registry_, repository_;
  RegistryCredential credential_;
  PullSurroundings surroundings_;
  std::string authorization_;
  bool decided_ = false;  // of an endpoint that may be either
  std::shared_ptr<TlsClientContext> own_tls_, other_tls_;
  std::vector<std::pair<std::string, std::unique_ptr<HttpClientConnection>>> idle_;  // by origin
};

}  // namespace bramble
