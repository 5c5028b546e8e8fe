// SecretsEncryption: Secrets are sealed at rest, when asked for (--secrets-encryption, or bramble secrets-encrypt enable). Keys stand
// in <data-dir>/server/cred/encryption-config.json (0600, durable, in upstream's form; backups of the store need it), the first
// of them seals. Changing them rewrites every Secret before an old key is dropped, so a crash in between loses nothing: the file
// has all keys that a value may need. Owner's loop thread; files in offload(). On the server's local socket:
//   GET  /v1/encryption              {"enabled":bool,"key":NAME,"keys":[NAME],"forms":[{key,count}]}; form key "": open values
//   POST /v1/encryption/enable | disable | rotate-keys | reencrypt     the same, when every Secret has its new form
#pragma once

#include <memory>
#include <string>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/http/server.h"
#include "core/json/builder.h"
#include "core/registry/cache.h"
#include "storage/encrypted/encrypted_store.h"

namespace bramble {

// Blocking. Without the file: no keys. With `enable` and no file it is made, with a new key. kCorrupt names the file.
Result<SealKeys> load_seal_keys(const std::string& data_dir, bool enable, Random& random, const Clock& clock);
Status store_seal_keys(const std::string& data_dir, const SealKeys& keys);

class SecretsEncryption {
 public:
  // All of them must outlive it.
  SecretsEncryption(EncryptedStore& store, const WatchCache& cache, std::string prefix, std::string data_dir, Random& random, const Clock& clock);
  Task<void> handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder);
  // Gives every Secret the form of the present keys.
  Task<Status> rewrite();

 private:
  Task<Status> change(std::string action);
  Task<Status> use(SealKeys keys);
  Document status() const;

  EncryptedStore& store_;
  const WatchCache& cache_;
  std::string prefix_, data_dir_;
  Random& random_;
  const Clock& clock_;
  bool changing_ = false;
};

}  // namespace bramble
