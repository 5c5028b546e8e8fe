// LocalApi: what commands on this host ask the running bramble, as JSON over HTTP on <run-dir>/bramble.sock (0600). Who may
// open the socket is root. Owner's loop thread; slow work goes to offload().
//   GET    /v1/images               {"images":[{id, names, digests, sizeBytes, pinned}]}
//   POST   /v1/images?path=FILE     imports: a line {"done":n,"total":n} now and then, at the end {"images":[...]} or {"error":text}
//   POST   /v1/images/pull?name=NAME            the same
//   POST   /v1/images/export?path=FILE&name=NAME&name=...  the same, at the end {"images":[...]} of what was written
//   POST   /v1/images/prune         {"images":[...]} that no container has and nobody brought by hand: they are gone
//   DELETE /v1/images?name=NAME     {} or {"error":text}
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "core/http/server.h"
#include "core/quarantine/quarantine.h"
#include "images/local_store.h"
#include "images/pull/image_source.h"

namespace bramble {

class LocalApi {
 public:
  struct Hooks {
    std::function<void()> changed;                 // after images came or went
    std::function<std::set<std::string>()> in_use;  // ids of images that containers have
  };
  // images outlives the LocalApi and every import that it began, source and quarantine (may be null) the LocalApi.
  LocalApi(LocalImageStore& images, ImageSource& source, Hooks hooks, Quarantine* quarantine);
  Status listen(const std::string& socket_path);

 private:
  Task<void> handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder);
  Task<void> import_archive(std::string path, std::shared_ptr<Responder> responder);
  Task<void> pull_image(std::string name, std::shared_ptr<Responder> responder);
  Task<void> export_images(std::vector<std::string> names, std::string path, std::shared_ptr<Responder> responder);
  Task<void> prune_images(std::shared_ptr<Responder> responder);
  Task<void> remove_image(std::string name, std::shared_ptr<Responder> responder);
  static Task<void> tell_progress(std::shared_ptr<PullProgress> progress, std::shared_ptr<Responder> responder);
  Task<void> tell_end(Result<std::vector<ImageInfo>> result, std::shared_ptr<Responder> responder);
  LocalImageStore& images_;
  ImageSource& source_;
  Hooks hooks_;
  Quarantine* quarantine_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace bramble
