// The first things a stranger's request meets: route, Accept, a body's JSON errors, whom it wants to be. And the files of tokens and of the audit policy.
#include "core/apiserver/audit_policy.h"
#include "core/apiserver/go_json.h"
#include "core/apiserver/impersonation.h"
#include "core/apiserver/negotiation.h"
#include "core/apiserver/route.h"
#include "core/apiserver/static_tokens.h"
#include "core/base/check.h"
#include "core/json/value.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t half = size / 2;
  (void)bramble::route("GET", text.substr(0, half), text.substr(half)).verb;
  (void)bramble::negotiate(text, bramble::Offer{true, true}).ok();
  (void)bramble::negotiate_discovery(text).ok();
  (void)bramble::summarize_body(text);
  (void)bramble::StaticTokens::parse(text).ok();
  (void)bramble::AuditPolicy::parse(text).ok();
  bramble::HttpRequest request;
  request.headers = {{"impersonate-group", std::string(text.substr(half))}, {bramble::cat("impersonate-extra-", text.substr(0, half)), "v"}};
  (void)bramble::wanted_user(request).ok();
  std::string error = bramble::go_json_error(text);
  // What the scanner takes for JSON need not be UTF-8; what it refuses the parser must refuse too.
  if (!error.empty()) CHECK(!bramble::Document::parse(text).ok(), error);
  return 0;
}
