// Pulls from a registry that is friendly, and from ones that are not: over real sockets, into a real store.
#include <archive.h>

#include <filesystem>

#include "core/base/limits.h"
#include "images/pull/image_puller.h"
#include "tests/images/pull/fake_registry.h"
#include "tests/images/store_fixture.h"

namespace bramble {
namespace {

using Request = FakeRegistry::Request;
using Connection = FakeRegistry::Connection;

class Pull : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    registry_ = std::make_unique<FakeRegistry>();
    second_ = std::make_unique<FakeRegistry>();
  }
  void TearDown() override {
    registry_.reset();
    second_.reset();
    StoreTest::TearDown();
  }

  LocalImageStore& local() { return static_cast<LocalImageStore&>(*store_); }
  ImagePuller::Options options() {
    ImagePuller::Options o;
    PullPatience& p = o.engine.surroundings.patience;
    p.head_ms = p.progress_ms = 300;
    p.progress_bytes = 1024;
    p.retry_first_ms = 5;
    p.retry_max_ms = 20;
    o.parallel_max = 4;
    if (!yaml_.empty()) {
      o.registries_path = dir_ + "/registries.yaml";
      FILE* f = fopen(o.registries_path.c_str(), "w");
      fwrite(yaml_.data(), 1, yaml_.size(), f);
      fclose(f);
    }
    return o;
  }
  // Runs a coroutine over a puller of its own on a loop of its own.
  void with_puller(const std::function<Task<void>(ImagePuller*)>& body) {
    Loop loop;
    {
      ImagePuller puller(options(), local());
      TaskGroup tasks;
      auto run = [](const std::function<Task<void>(ImagePuller*)>* f, ImagePuller* p, Loop* l) -> Task<void> {
        Task<void> work = (*f)(p);
        co_await work;
        l->stop();
      };
      tasks.start(run(&body, &puller, &loop));
      if (tasks.size() > 0) loop.run();
      puller.stop();
      // Work that was given up ends before the store does.
      OffloadHalt halt;
      auto wait = [](OffloadHalt* h, Loop* l) -> Task<void> {
        auto quiet = co_await h->quiet(10000);
        EXPECT_TRUE(quiet);
        l->stop();
      };
      TaskGroup waiting;
      waiting.start(wait(&halt, &loop));
      if (waiting.size() > 0) loop.run();
    }
  }
  Result<ImageInfo> pull(const std::string& image, std::vector<RegistryCredential> credentials = {}) {
    std::optional<Result<ImageInfo>> out;
    auto body = [&](ImagePuller* puller) -> Task<void> {
      PullRequest request;
      request.image = image;
      request.credentials = credentials;
      auto outcome = co_await puller->pull(std::move(request));
      if (outcome.ok()) out.emplace(outcome->image);
      else out.emplace(outcome.error());
    };
    with_puller(body);
    return *out;
  }
  std::string error_of(const std::string& image, std::vector<RegistryCredential> credentials = {}) {
    auto pulled = pull(image, credentials);
    return pulled.ok() ? "(no error)" : pulled.error().message();
  }
  std::string name(const std::string& tag) const { return cat(registry_->host(), "/", tag); }

  // An image of these layers (plain tars), packed so, in the registry under the tag. Gives the manifest's digest.
  std::string publish(FakeRegistry& at, const std::vector<std::string>& layers, const std::string& tag, std::vector<Packing> packings = {}) {
    std::string config = config_of(layers), list;
    packings.resize(layers.size(), Packing::kGzip);
    for (size_t i = 0; i < layers.size(); i++) {
      std::string packed = compress(layers[i], packings[i]);
      list += cat(i ? "," : "", "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"size\":", packed.size(), ",\"digest\":\"", at.add_blob(packed), "\"}");
      last_layer_ = digest(packed);
    }
    manifest_ = cat("{\"schemaVersion\":2,\"mediaType\":\"", kType, "\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":", config.size(),
                    ",\"digest\":\"", at.add_blob(config), "\"},\"layers\":[", list, "]}");
    return at.add_manifest(manifest_, kType, tag);
  }
  static std::string compress(const std::string& bytes, Packing packing) {
    if (packing == Packing::kPlain) return bytes;
    archive* a = archive_write_new();
    archive_write_set_format_raw(a);
    if (packing == Packing::kGzip) archive_write_add_filter_gzip(a);
    else archive_write_add_filter_zstd(a);
    std::string out(bytes.size() + 65536, '\0');
    size_t used = 0;
    archive_write_open_memory(a, out.data(), out.size(), &used);
    archive_entry* e = archive_entry_new();
    archive_entry_set_filetype(e, AE_IFREG);
    archive_write_header(a, e);
    archive_write_data(a, bytes.data(), bytes.size());
    archive_entry_free(e);
    archive_write_close(a);
    archive_write_free(a);
    out.resize(used);
    return out;
  }
  // Bytes that do not compress.
  static std::string noise(size_t bytes) {
    std::string out;
    for (uint32_t x = 12345; out.size() < bytes; x = x * 1664525 + 1013904223) out.push_back(static_cast<char>(x >> 24));
    return out;
  }
  size_t staged_on_disk() {
    size_t n = 0;
    for (const auto& e : std::filesystem::directory_iterator(dir_ + "/store/layers")) n += e.path().string().ends_with(".new");
    return n;
  }
  static constexpr const char* kType = "application/vnd.oci.image.manifest.v1+json";

  std::unique_ptr<FakeRegistry> registry_, second_;
  std::string yaml_, manifest_, last_layer_;
};

TEST_F(Pull, brings_layers_of_every_packing_and_names_the_image_by_tag_and_digest) {
  std::string a = pack({{"a", "1"}}), b = pack({{"b", "2"}}), c = pack({{"c", "3"}});
  std::string digest = publish(*registry_, {a, b, c}, "1", {Packing::kGzip, Packing::kZstd, Packing::kPlain});
  auto pulled = pull(name("web:1"));
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  EXPECT_EQ(pulled->names, std::vector<std::string>{name("web:1")});
  EXPECT_EQ(pulled->digests, std::vector<std::string>{name("web@") + digest});
  EXPECT_FALSE(pulled->pinned);
  EXPECT_EQ(pulled->config.user, "web");
  reopen();
  EXPECT_TRUE(store_->find(name("web:1")).has_value());
  EXPECT_TRUE(store_->find(name("web@") + digest).has_value());
  EXPECT_TRUE(store_->find(name("web:1@") + digest).has_value());
  std::string work = dir_ + "/work", root = dir_ + "/root";
  ASSERT_TRUE(store_->mount_rootfs(pulled->id, work, root).ok());
  for (const char* file : {"/a", "/b", "/c"}) EXPECT_EQ(access((root + file).c_str(), F_OK), 0) << file;
  ASSERT_TRUE(store_->unmount_rootfs(work, root).ok());
}

TEST_F(Pull, asks_an_index_for_this_node_and_keeps_the_index_digest) {
  std::string digest = publish(*registry_, {pack({{"a", "1"}})}, "");
  std::string index = cat("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"", digest, "\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"", node_architecture(), "\"}}]}");
  std::string top = registry_->add_manifest(index, "application/vnd.docker.distribution.manifest.list.v2+json", "multi");
  auto pulled = pull(name("web:multi"));
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  EXPECT_EQ(pulled->digests, std::vector<std::string>{name("web@") + top});
  auto again = pull(name("web@") + top);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again->id, pulled->id);
}

TEST_F(Pull, asks_of_an_image_that_is_here_whether_it_still_is_the_one) {
  std::string first = publish(*registry_, {pack({{"a", "1"}})}, "1");
  ASSERT_TRUE(pull(name("web:1")).ok());
  size_t asked = registry_->seen().size();
  ASSERT_TRUE(pull(name("web:1")).ok());
  ASSERT_TRUE(pull(name("web@") + first).ok());
  std::vector<std::string> seen = registry_->seen();
  seen.erase(seen.begin(), seen.begin() + static_cast<ptrdiff_t>(asked));
  EXPECT_EQ(seen, (std::vector<std::string>{"HEAD /v2/web/manifests/1", "HEAD /v2/web/manifests/" + first}));
  // A tag that has moved: the name goes to the new image.
  std::string second = publish(*registry_, {pack({{"b", "2"}})}, "1");
  auto moved = pull(name("web:1"));
  ASSERT_TRUE(moved.ok()) << moved.error().message();
  EXPECT_EQ(moved->digests, std::vector<std::string>{name("web@") + second});
  EXPECT_EQ(store_->find(name("web@") + first)->names.size(), 0u);
}

TEST_F(Pull, refuses_what_is_no_image_and_says_what_is_not_there) {
  registry_->add_manifest("{\"schemaVersion\":1,\"fsLayers\":[]}", "application/vnd.docker.distribution.manifest.v1+prettyjws", "old");
  EXPECT_NE(error_of(name("web:old")).find("schema 1"), std::string::npos);
  std::string absent = error_of(name("web:absent"));
  EXPECT_EQ(absent.find(cat("failed to pull and unpack image \"", name("web:absent"), "\": failed to resolve reference \"", name("web:absent"), "\": ", name("web:absent"), ": not found")), 0u) << absent;
  EXPECT_NE(error_of("127.0.0.1:1/web:1").find("connect 127.0.0.1:1: Connection refused"), std::string::npos);
  EXPECT_EQ(store_->list().size(), 0u);
}

TEST_F(Pull, proves_itself_by_password_where_the_registry_wants_one) {
  publish(*registry_, {pack({{"a", "1"}})}, "1");
  registry_->on_request([](Connection& c, const Request& r) {
    auto it = r.headers.find("authorization");
    if (it != r.headers.end() && it->second == "Basic " + base64_encode("me:secret")) return false;
    c.answer(401, {"www-authenticate: Basic realm=\"x\""}, r.method == "HEAD" ? "" : "{}");
    if (r.method == "HEAD") c.over = true;
    return true;
  });
  std::string denied = error_of(name("web:1"));
  EXPECT_NE(denied.find("pull access denied, repository does not exist or may require authorization"), std::string::npos) << denied;
  EXPECT_NE(denied.find("no credentials were given (imagePullSecrets, registries.yaml)"), std::string::npos) << denied;
  denied = error_of(name("web:1"), {{"me", "wrong", "", ""}, {"you", "wrong", "", ""}});
  EXPECT_NE(denied.find("401 Unauthorized"), std::string::npos) << denied;
  // The second of several fits.
  auto pulled = pull(name("web:1"), {{"me", "wrong", "", ""}, {"me", "secret", "", ""}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
}

TEST_F(Pull, fetches_a_token_with_a_password_or_an_identity) {
  publish(*registry_, {pack({{"a", "1"}})}, "1");
  std::vector<std::string> asked;
  std::mutex mutex;
  second_->on_request([&](Connection& c, const Request& r) {
    std::lock_guard lock(mutex);
    auto it = r.headers.find("authorization");
    asked.push_back(cat(r.method, " ", r.query, " ", it == r.headers.end() ? "" : it->second, " ", r.body));
    bool good = r.method == "POST" ? r.body.find("refresh_token=identity") != std::string::npos : it != r.headers.end();
    if (good) c.answer(200, {}, "{\"token\":\"let-me-in\"}");
    else c.answer(401, {}, "{}");
    return true;
  });
  registry_->on_request([&](Connection& c, const Request& r) {
    auto it = r.headers.find("authorization");
    if (it != r.headers.end() && it->second == "Bearer let-me-in") return false;
    c.answer(401, {cat("www-authenticate: Bearer realm=\"", second_->url(), "/token\",service=\"reg\",scope=\"repository:web:pull\"")}, "");
    return true;
  });
  auto pulled = pull(name("web:1"), {{"me", "secret", "", ""}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  ASSERT_EQ(asked.size(), 1u) << "one token serves the whole pull";
  EXPECT_EQ(asked[0], cat("GET service=reg&scope=repository%3aweb%3apull&account=me Basic ", base64_encode("me:secret"), " "));
  ASSERT_TRUE(store_->remove(name("web:1")).ok());
  asked.clear();
  pulled = pull(name("web:1"), {{"", "", "identity", ""}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0], "POST   grant_type=refresh_token&client_id=bramble&service=reg&scope=repository%3aweb%3apull&refresh_token=identity");
  std::string denied = error_of(name("web:1"));
  EXPECT_NE(denied.find("failed to fetch token"), std::string::npos) << denied;
}

TEST_F(Pull, is_patient_with_429_and_500_but_not_for_ever) {
  publish(*registry_, {pack({{"a", "1"}})}, "1");
  std::atomic<int> refusals = 0;
  registry_->on_request([&](Connection& c, const Request& r) {
    int n = refusals++;
    if (n % 3 == 2) return false;
    c.answer(n % 3 == 0 ? 429 : 500, n % 3 == 0 ? std::vector<std::string>{"retry-after: 0"} : std::vector<std::string>{}, r.method == "HEAD" ? "" : "busy");
    if (r.method == "HEAD") c.over = true;
    return true;
  });
  auto pulled = pull(name("web:1"));
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  registry_->on_request([&](Connection& c, const Request&) {
    c.answer(503, {}, "");
    return true;
  });
  EXPECT_NE(error_of(name("web:1")).find("503 Service Unavailable"), std::string::npos);
  registry_->on_request([&](Connection& c, const Request&) {
    c.answer(429, {"retry-after: 3600"}, "");
    return true;
  });
  EXPECT_NE(error_of(name("web:1")).find("it wants to be asked again in 3600 s"), std::string::npos);
}

TEST_F(Pull, goes_on_where_a_connection_was_cut) {
  publish(*registry_, {pack({{"a", noise(300000)}})}, "1", {Packing::kPlain});
  std::atomic<int> cuts = 0;
  auto cut_after = [&](bool knows_ranges) {
    return [&, knows_ranges](Connection& c, const Request& r) {
      if (r.path.find(last_layer_) == std::string::npos || cuts++ >= 3) return false;
      std::string blob = registry_->blob(last_layer_);
      size_t from = knows_ranges && r.headers.contains("range") ? static_cast<size_t>(*parse_uint64(split(r.headers.at("range").substr(6), '-')[0])) : 0;
      if (from) c.raw(cat("HTTP/1.1 206 x\r\ncontent-range: bytes ", from, "-", blob.size() - 1, "/", blob.size(), "\r\ncontent-length: ", blob.size() - from, "\r\n\r\n"));
      else c.raw(cat("HTTP/1.1 200 OK\r\ncontent-length: ", blob.size(), "\r\n\r\n"));
      c.raw(std::string_view(blob).substr(from, 60000));
      c.over = true;
      return true;
    };
  };
  registry_->on_request(cut_after(true));
  auto pulled = pull(name("web:1"));
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  std::vector<std::string> ranges;
  for (const auto& s : registry_->seen())
    if (s.find("bytes=") != std::string::npos) ranges.push_back(s.substr(s.find("bytes=")));
  EXPECT_EQ(ranges, (std::vector<std::string>{"bytes=60000-", "bytes=120000-", "bytes=180000-"}));
  // A registry that does not know of ranges begins anew, and what is known is passed over.
  ASSERT_TRUE(store_->remove(name("web:1")).ok());
  cuts = 0;
  registry_->on_request([&, cutting = cut_after(false)](Connection& c, const Request& r) {
    if (cutting(c, r)) return true;
    if (r.path.find(last_layer_) == std::string::npos) return false;
    c.answer(200, {}, registry_->blob(last_layer_));
    return true;
  });
  pulled = pull(name("web:1"));
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
}

TEST_F(Pull, believes_no_length_and_no_digest) {
  std::string layer = pack({{"a", noise(50000)}});
  publish(*registry_, {layer}, "1", {Packing::kPlain});
  std::string blob = registry_->blob(last_layer_), other = blob;
  other[100] ^= 1;
  struct Row {
    const char* name;
    std::string head, body, want;
  } rows[] = {
      {"another digest", cat("content-length: ", blob.size()), other, "what came has the digest"},
      {"a shorter length", "content-length: 10", blob.substr(0, 10), "the registry sends 10 bytes, the manifest says"},
      {"a longer length", cat("content-length: ", blob.size() + 10), blob + std::string(10, 'x'), "the registry sends"},
      {"no length and more bytes", "connection: close", blob + std::string(1000, 'x'), "has more than the"},
      {"no length and fewer bytes", "connection: close", blob.substr(0, 1000), "ended after"},
      {"a page in its place", "connection: close", "<html>log in to this network</html>", "ended after"},
  };
  for (const auto& row : rows) {
    registry_->on_request([&](Connection& c, const Request& r) {
      if (r.path.find(last_layer_) == std::string::npos) return false;
      c.raw(cat("HTTP/1.1 200 OK\r\n", row.head, "\r\n\r\n", row.body));
      c.over = true;
      return true;
    });
    std::string error = error_of(name("web:1"));
    EXPECT_NE(error.find(row.want), std::string::npos) << row.name << ": " << error;
    EXPECT_EQ(error.find(cat("failed to pull and unpack image \"", name("web:1"), "\": failed to copy: layer ")), error.find("failed to pull")) << error;
    EXPECT_EQ(layers_on_disk(), 0u) << row.name;
    EXPECT_EQ(staged_on_disk(), 0u) << row.name;
  }
  // A range that was not asked for.
  std::atomic<int> calls = 0;
  registry_->on_request([&](Connection& c, const Request& r) {
    if (r.path.find(last_layer_) == std::string::npos) return false;
    if (calls++ == 0) {
      c.raw(cat("HTTP/1.1 200 OK\r\ncontent-length: ", blob.size(), "\r\n\r\n", blob.substr(0, 1000)));
      c.over = true;
    } else {
      c.raw(cat("HTTP/1.1 206 x\r\ncontent-range: bytes 5-", blob.size() - 1, "/", blob.size(), "\r\ncontent-length: 3\r\n\r\nabc"));
    }
    return true;
  });
  EXPECT_NE(error_of(name("web:1")).find("asked for the bytes from 1000"), std::string::npos);
  // And a manifest of another digest than the one asked for.
  registry_->on_request([&](Connection& c, const Request& r) {
    if (r.method == "HEAD" || r.path.find("manifests") == std::string::npos) return false;
    c.answer(200, {cat("content-type: ", kType)}, manifest_ + " ");
    return true;
  });
  EXPECT_NE(error_of(name("web:1")).find("what came has the digest"), std::string::npos);
}

TEST_F(Pull, follows_redirects_without_its_credentials_and_not_in_circles) {
  publish(*registry_, {pack({{"a", "1"}})}, "1");
  second_->add_blob(registry_->blob(last_layer_));
  std::mutex mutex;
  std::vector<std::string> told;
  auto want_password = [](Connection& c, const Request& r) {
    if (r.headers.contains("authorization")) return false;
    c.answer(401, {"www-authenticate: Basic realm=\"x\""}, "");
    return true;
  };
  registry_->on_request([&](Connection& c, const Request& r) {
    if (want_password(c, r)) return true;
    if (r.path.find(last_layer_) == std::string::npos) return false;
    c.answer(307, {cat("location: ", second_->url(), "/cdn/", last_layer_, "?sig=abc")}, "");
    return true;
  });
  second_->on_request([&](Connection&, const Request& r) {
    std::lock_guard lock(mutex);
    told.push_back(cat(r.query, " ", r.headers.contains("authorization") ? "with" : "without"));
    return false;
  });
  auto pulled = pull(name("web:1"), {{"me", "secret", "", ""}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  EXPECT_EQ(told, std::vector<std::string>{"sig=abc without"});
  ASSERT_TRUE(store_->remove(name("web:1")).ok());
  registry_->on_request([&](Connection& c, const Request& r) {
    if (r.path.find(last_layer_) == std::string::npos && r.path.find("/round") == std::string::npos) return false;
    c.answer(302, {cat("location: /round/", r.path.size(), "?")}, "");
    return true;
  });
  EXPECT_NE(error_of(name("web:1")).find("stopped after 10 redirects"), std::string::npos);
}

TEST_F(Pull, does_not_wait_for_ever) {
  publish(*registry_, {pack({{"a", noise(50000)}})}, "1", {Packing::kPlain});
  registry_->on_request([&](Connection& c, const Request&) {
    c.hang();
    return true;
  });
  EXPECT_NE(error_of(name("web:1")).find("no answer"), std::string::npos);
  registry_->on_request([&](Connection& c, const Request& r) {
    if (r.path.find(last_layer_) == std::string::npos) return false;
    c.raw("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nsome");
    c.hang();
    return true;
  });
  std::string halted = error_of(name("web:1"));
  EXPECT_NE(halted.find("the download has come to a halt"), std::string::npos) << halted;
  EXPECT_EQ(staged_on_disk(), 0u);
}

TEST_F(Pull, takes_no_answer_without_an_end) {
  publish(*registry_, {pack({{"a", "1"}})}, "1");
  registry_->on_request([&](Connection& c, const Request& r) {
    if (r.path.find("manifests") == std::string::npos || r.method == "HEAD") return false;
    c.raw("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
    std::string mega(1 << 20, ' ');
    for (int i = 0; i < 8; i++) c.raw(mega);
    c.over = true;
    return true;
  });
  EXPECT_NE(error_of(name("web:1")).find("the answer has more than 4194304 bytes"), std::string::npos);
}

TEST_F(Pull, refuses_hostile_layers_by_name) {
  struct Row {
    const char* name;
    std::vector<File> files;
    std::string want;
  } rows[] = {
      {"climbs out", {{"../../etc/evil", "x"}}, "climbs out of the layer"},
      {"through a link", {{"a", "", AE_IFLNK, "/"}, {"a/../../x", "y"}}, "climbs out of the layer"},
      {"claims too much", {{"a", "x", AE_IFREG, "", 9LL << 30}}, "claims"},
  };
  for (const auto& row : rows) {
    publish(*registry_, {pack(row.files)}, "1");
    std::string error = error_of(name("web:1"));
    EXPECT_NE(error.find(row.want), std::string::npos) << row.name << ": " << error;
    EXPECT_EQ(staged_on_disk(), 0u) << row.name;
  }
}

// A million entries are a megabyte of gzip. They cost the disk nothing: AUFS's housekeeping is passed over.
TEST_F(Pull, refuses_a_layer_of_very_many_files) {
  std::string block = pack({{".wh..wh.x", ""}}).substr(0, 512), chunk, packed(8 << 20, '\0');
  for (int i = 0; i < 128; i++) chunk += block;
  archive* a = archive_write_new();
  archive_write_set_format_raw(a);
  archive_write_add_filter_gzip(a);
  size_t used = 0;
  archive_write_open_memory(a, packed.data(), packed.size(), &used);
  archive_entry* e = archive_entry_new();
  archive_entry_set_filetype(e, AE_IFREG);
  archive_write_header(a, e);
  for (size_t i = 0; i <= limits::kLayerEntriesMax / 128; i++) archive_write_data(a, chunk.data(), chunk.size());
  archive_entry_free(e);
  archive_write_close(a);
  archive_write_free(a);
  packed.resize(used);
  // What it is unpacked to is never known.
  std::string config = config_of({""});
  registry_->add_manifest(cat("{\"schemaVersion\":2,\"config\":{\"size\":", config.size(), ",\"digest\":\"", registry_->add_blob(config), "\"},\"layers\":[{\"size\":", packed.size(),
                              ",\"digest\":\"", registry_->add_blob(packed), "\"}]}"), kType, "1");
  std::string error = error_of(name("web:1"));
  EXPECT_NE(error.find("more than 1000000 entries"), std::string::npos) << error;
  EXPECT_EQ(staged_on_disk(), 0u);
}

TEST_F(Pull, brings_a_layer_once_for_all_pulls_that_want_it) {
  std::string base = pack({{"base", noise(200000)}});
  publish(*registry_, {base, pack({{"one", "1"}})}, "one", {Packing::kPlain, Packing::kPlain});
  publish(*registry_, {base, pack({{"two", "2"}})}, "two", {Packing::kPlain, Packing::kPlain});
  std::string blob = digest(base);
  // Held back until both pulls are under way.
  std::atomic<bool> both = false;
  registry_->on_request([&](Connection&, const Request& r) {
    if (r.path.find("manifests") != std::string::npos && registry_->count("HEAD") >= 2) both = true;
    if (r.path.find(blob) != std::string::npos)
      for (int i = 0; i < 1000 && !both; i++) std::this_thread::yield(), usleep(1000);
    return false;
  });
  int good = 0;
  auto body = [&](ImagePuller* puller) -> Task<void> {
    TaskGroup pulls;
    Event over;
    auto one = [](ImagePuller* p, std::string image, int* count, Event* e) -> Task<void> {
      PullRequest request;
      request.image = image;
      auto outcome = co_await p->pull(std::move(request));
      EXPECT_TRUE(outcome.ok()) << outcome.error().message();
      ++*count;
      e->pulse();
    };
    pulls.start(one(puller, name("web:one"), &good, &over));
    pulls.start(one(puller, name("web:two"), &good, &over));
    while (good < 2) co_await over.wait();
    co_await sleep_ms(0);
  };
  with_puller(body);
  EXPECT_EQ(registry_->count("GET /v2/web/blobs/" + blob), 1u);
  EXPECT_EQ(layers_on_disk(), 3u);
}

TEST_F(Pull, keeps_the_layers_of_a_failed_pull_for_the_next_try) {
  std::string base = pack({{"base", noise(50000)}}), top = pack({{"top", noise(1000)}});
  publish(*registry_, {base, top}, "1", {Packing::kPlain, Packing::kPlain});
  std::string gone = last_layer_;
  registry_->on_request([&](Connection& c, const Request& r) {
    if (r.path.find(gone) == std::string::npos) return false;
    c.over = true;
    return true;
  });
  EXPECT_NE(error_of(name("web:1")).find("failed to copy"), std::string::npos);
  EXPECT_EQ(layers_on_disk(), 1u);
  reopen();
  EXPECT_EQ(layers_on_disk(), 1u) << "also over a restart";
  registry_->on_request(nullptr);
  ASSERT_TRUE(pull(name("web:1")).ok());
  EXPECT_EQ(registry_->count("GET /v2/web/blobs/" + digest(base)), 1u);
  ASSERT_TRUE(store_->remove(name("web:1")).ok());
  EXPECT_EQ(layers_on_disk(), 0u);
}

TEST_F(Pull, that_is_given_up_leaves_nothing) {
  publish(*registry_, {pack({{"a", noise(3000000)}})}, "1", {Packing::kPlain});
  std::atomic<bool> begun = false;
  registry_->on_request([&](Connection& c, const Request& r) {
    if (r.path.find(last_layer_) == std::string::npos) return false;
    c.raw(cat("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", registry_->blob(last_layer_).substr(0, 2000000)));
    begun = true;
    c.hang();
    return true;
  });
  auto body = [&](ImagePuller* puller) -> Task<void> {
    TaskGroup pulls;
    auto one = [](ImagePuller* p, std::string image) -> Task<void> {
      PullRequest request;
      request.image = image;
      auto outcome = co_await p->pull(std::move(request));
      ADD_FAILURE() << outcome.ok();
    };
    pulls.start(one(puller, name("web:1")));
    while (!begun) co_await sleep_ms(1);
    pulls.cancel_all();
  };
  with_puller(body);
  EXPECT_EQ(staged_on_disk(), 0u);
  EXPECT_EQ(layers_on_disk(), 0u);
}

TEST_F(Pull, asks_mirrors_first_under_their_names_and_the_registry_at_last) {
  publish(*second_, {pack({{"a", "1"}})}, "1");
  yaml_ = cat("mirrors:\n  ", registry_->host(), ":\n    endpoint:\n      - ", second_->url(), "\n    rewrite:\n      \"^team/(.*)\": \"mirrored/$1\"\n");
  auto pulled = pull(name("team/web:1"));
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  EXPECT_EQ(pulled->names, std::vector<std::string>{name("team/web:1")}) << "its own name";
  EXPECT_EQ(second_->count("GET /v2/mirrored/web/manifests/"), 1u);
  EXPECT_EQ(registry_->seen().size(), 0u);
  // What the mirror lacks comes from the registry itself, without rewrites.
  publish(*registry_, {pack({{"b", "2"}})}, "2");
  pulled = pull(name("team/web:2"));
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  EXPECT_EQ(registry_->count("HEAD /v2/team/web/manifests/2"), 1u);
  // Both errors are told, and who gave them.
  std::string error = error_of(name("team/web:3"));
  EXPECT_NE(error.find(cat(second_->host(), ": ")), std::string::npos) << error;
  EXPECT_NE(error.find(cat(registry_->host(), ": ")), std::string::npos) << error;
}

TEST_F(Pull, a_broken_registries_file_is_told_with_its_line) {
  yaml_ = "mirrors:\n  docker.io:\n    endpoint: 5\n";
  EXPECT_NE(error_of(name("web:1")).find("registries.yaml: line 3: mirrors.docker.io.endpoint: must be a list"), std::string::npos);
}

}  // namespace
}  // namespace bramble
