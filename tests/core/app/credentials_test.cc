// Keys and certificates that are made at the first start, and what a power cut leaves of them.
#include "core/app/credentials.h"
#include "core/base/files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>


namespace bramble {
namespace {

class CredentialFiles : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-credentials-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    options_.directory = folder;
    options_.server_names = {"localhost"};
    options_.node_name = "n";
    options_.node_names = {"n"};
  }
  void TearDown() override { EXPECT_EQ(system(("rm -rf " + options_.directory).c_str()), 0); }
  std::string file(const char* name) const { return cat(options_.directory, "/", name); }

  FakeClock clock_{2524608000 * 1000000LL};
  CredentialOptions options_;
};

TEST_F(CredentialFiles, a_first_start_that_was_cut_off_anywhere_goes_on) {
  const char* made_in_order[] = {"server-ca.key",          "server-ca.crt",  "client-ca.key",       "client-ca.crt",       "service.key", "serving-kube-apiserver.key",
                                 "serving-kube-apiserver.crt", "serving-kubelet.key", "serving-kubelet.crt", "client-admin.key", "client-admin.crt"};
  for (size_t made = 0; made <= std::size(made_in_order); made++) {
    auto whole = load_or_make_credentials(options_, clock_);
    ASSERT_TRUE(whole.ok()) << whole.error().message();
    for (size_t i = made; i < std::size(made_in_order); i++) ASSERT_EQ(unlink(file(made_in_order[i]).c_str()), 0) << made_in_order[i];
    auto again = load_or_make_credentials(options_, clock_);
    ASSERT_TRUE(again.ok()) << "after " << made << " files: " << again.error().message();
    EXPECT_TRUE(verify_certificate(again->api_server.certificate_pem, again->server_ca_pem, CertificateUse::kAny).ok()) << made;
    EXPECT_TRUE(verify_certificate(again->admin.certificate_pem, again->client_ca_pem, CertificateUse::kAny).ok()) << made;
  }
}

// A cluster that runs has handed its authority out: making another one would lock everybody out.
TEST_F(CredentialFiles, half_an_authority_of_a_cluster_that_ran_is_named_and_kept) {
  ASSERT_TRUE(load_or_make_credentials(options_, clock_).ok());
  options_.in_use = true;
  for (const char* lost : {"server-ca.crt", "client-ca.key"}) {
    auto kept = read_file(file(lost));
    ASSERT_EQ(unlink(file(lost).c_str()), 0);
    auto refused = load_or_make_credentials(options_, clock_);
    ASSERT_FALSE(refused.ok()) << lost;
    EXPECT_NE(refused.error().message().find(lost), std::string::npos) << refused.error().message();
    ASSERT_TRUE(replace_file_durably(file(lost), *kept, 0600).ok());
    EXPECT_TRUE(load_or_make_credentials(options_, clock_).ok()) << lost;
  }
}

}  // namespace
}  // namespace bramble
