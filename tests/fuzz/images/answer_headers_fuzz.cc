// Headers of a registry's answers and the URLs it redirects to. What is read of a URL is read the same again.
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "core/base/strings.h"
#include "images/pull/answer_headers.h"
#include "core/http/url.h"

using namespace bramble;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Challenge& c : parse_challenges(text)) CHECK(!c.scheme.empty(), "scheme");
  if (auto r = parse_content_range(text)) CHECK(r->first >= 0 && r->last >= r->first && (r->total < 0 || r->total > r->last), "range");
  if (auto ms = parse_retry_after(text, 0)) CHECK(*ms >= 0, *ms);
  auto base = parse_url("https://registry.example:5000/v2/a/blobs/b?c=d");
  for (const auto& url : {parse_url(text), resolve_url(*base, text)}) {
    if (!url.ok()) continue;
    CHECK(url->text().find_first_of("\r\n ") == std::string::npos, url->text());
    auto again = parse_url(url->text());
    CHECK(again.ok() && again->text() == url->text(), url->text());
  }
  return 0;
}
