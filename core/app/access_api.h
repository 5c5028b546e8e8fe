// AccessApi: who may join, by the local commands `bramble token` and `bramble node`, on the server's socket (store_care.h), which
// only root may open. Owner's loop thread; what it changes is in the store, but for the node token's file.
//   POST   /v1/tokens?token=&ttl_s=&description=&usages=&groups=   {"token":"K10...::id.secret"}; ttl_s 0: without an end
//   GET    /v1/tokens                  {"tokens":[{id,description,expires,usages:[],groups:[]}]}
//   DELETE /v1/tokens?id=ID            {}
//   POST   /v1/tokens/rotate?password= {"token":"K10...::node:..."}: the old node token lets nobody in any more
//   GET    /v1/nodes                   {"nodes":[{name,key,refused}]}: whose names belong to which keys
//   POST   /v1/nodes/approve?name=NAME {"key":the machine that was refused, "" whichever asks next}
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/client/client.h"
#include "core/http/server.h"
#include "core/json/builder.h"

namespace bramble {

class AccessApi {
 public:
  struct Options {
    std::string data_dir;
    std::function<void(std::string_view password)> use_node_token;
  };
  // client has an identity that may do all. clock and random must outlive it.
  AccessApi(std::unique_ptr<Client> client, const Clock& clock, Random& random, Options options);
  Task<void> handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder);

 private:
  using Asked = std::shared_ptr<const HttpRequest>;
  Task<Result<Document>> answer(Asked request);
  Task<Result<Document>> create_token(Asked request);
  Task<Result<Document>> delete_token(std::string id);
  Task<Result<Document>> rotate_token(std::string password);
  Task<Result<Document>> approve_node(std::string name);
  Document list_tokens() const;
  Document list_nodes() const;

  std::unique_ptr<Client> client_;
  const Clock& clock_;
  Random& random_;
  Options options_;
};


std::string new_bootstrap_token(Random& random);  // abcdef.0123456789abcdef

}  // namespace bramble
