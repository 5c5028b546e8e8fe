// LocalApi: what commands on this host ask the running bramble, as JSON over HTTP on <run-dir>/bramble.sock (0600). Who may
// open the socket is root. Owner's loop thread; slow work goes to offload().
//   GET    /v1/images               {"images":[{id, names, digests, sizeBytes, pinned}]}
//   POST   /v1/images?path=FILE     a line {"done":n,"total":n} now and then, at the end {"images":[...]} or {"error":text}
//   DELETE /v1/images?name=NAME     {} or {"error":text}
#pragma once

#include <memory>
#include <string>

#include "core/http/server.h"
#include "core/quarantine/quarantine.h"
#include "images/image_store.h"

namespace bramble {

class LocalApi {
 public:
  // images outlives the LocalApi and every import that it began, quarantine (may be null) the LocalApi. on_change: called after
  // images came or went.
  LocalApi(ImageStore& images, std::function<void()> on_change, Quarantine* quarantine);
  Status listen(const std::string& socket_path);

 private:
  Task<void> handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder);
  Task<void> import_archive(std::string path, std::shared_ptr<Responder> responder);
  Task<void> remove_image(std::string name, std::shared_ptr<Responder> responder);
  ImageStore& images_;
  std::function<void()> on_change_;
  Quarantine* quarantine_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace bramble
