#include "core/app/certificate_list.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "core/app/credentials.h"
#include "core/base/files.h"

namespace bramble {
namespace {

TEST(CertificateList, tells_what_is_there_and_what_is_wrong_with_it) {
  char folder[] = "/tmp/bramble-certificates-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string data_dir = folder, tls = data_dir + "/server/tls";
  RealClock clock;
  CredentialOptions options;
  options.directory = tls, options.server_names = {"localhost"}, options.node_name = "n", options.node_names = {"n"};
  ASSERT_TRUE(load_or_make_credentials(options, clock).ok());
  auto foreign = CertificateAuthority::create("foreign", clock.wall_us() / 1000000 + 1000000000);
  auto leaf = foreign->issue_with_key({"x", {}, {}, {}, false}, {true, true, clock.wall_us() / 1000000 + 400 * 86400});
  ASSERT_TRUE(replace_file_durably(tls + "/foreign.crt", leaf->certificate_pem, 0600).ok());
  ASSERT_TRUE(replace_file_durably(tls + "/torn.crt", "-----BEGIN CERT", 0600).ok());
  auto text = [&](int64_t later_s) {
    std::string out;
    for (const ListedCertificate& c : list_certificates(data_dir, clock.wall_us() / 1000000 + later_s)) out += cat(c.file, " ", c.usages, " ", c.status, "\n");
    return out;
  };
  const std::string now = text(0), due = text(300LL * 86400), over = text(366LL * 86400);
  EXPECT_NE(now.find("server/tls/client-admin.crt ClientAuth OK\n"), std::string::npos) << now;
  EXPECT_NE(now.find("server/tls/client-ca.crt CertSign OK\n"), std::string::npos) << now;
  EXPECT_NE(now.find("server/tls/foreign.crt ClientAuth,ServerAuth UNKNOWN AUTHORITY\n"), std::string::npos) << now;
  EXPECT_NE(now.find("server/tls/serving-kubelet.crt ServerAuth OK\n"), std::string::npos) << now;
  EXPECT_NE(now.find("server/tls/torn.crt  UNREADABLE\n"), std::string::npos) << now;
  EXPECT_NE(due.find("server/tls/client-admin.crt ClientAuth RENEWAL DUE\n"), std::string::npos) << due;
  EXPECT_NE(over.find("server/tls/client-admin.crt ClientAuth EXPIRED\n"), std::string::npos) << over;
  EXPECT_TRUE(list_certificates(data_dir + "/none", 0).empty());
  EXPECT_EQ(system(cat("rm -rf ", data_dir).c_str()), 0);
}

}  // namespace
}  // namespace bramble
