// What check-config says of a machine, by files that look like one.
#include "provision/host/checks.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "core/base/strings.h"

namespace bramble {
namespace {

class MachineChecks : public testing::Test {
 protected:
  MachineChecks() {
    char name[] = "/tmp/bramble-checks-XXXXXX";
    root_ = mkdtemp(name);
  }
  ~MachineChecks() override { std::filesystem::remove_all(root_); }
  void put(const std::string& path, std::string_view text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  Check::Verdict verdict(std::string_view name) {
    CheckOptions options;
    options.root = root_;
    for (const Check& c : check_machine(options))
      if (c.name == name) return c.verdict;
    ADD_FAILURE() << "no check " << name;
    return Check::Verdict::kWrong;
  }
  std::string root_;
};

TEST_F(MachineChecks, sees_what_is_built_into_the_kernel_without_a_module) {
  struct Row {
    const char* name;
    const char* function;
  };
  for (const Row& row : {Row{"veth", "veth_newlink"}, Row{"nftables", "nf_tables_newtable"}, Row{"vxlan", "vxlan_setup"}, Row{"bridge", "br_dev_setup"}}) {
    put("/proc/kallsyms", cat("0000000000000000 t x", row.function, "\n0000000000000000 t ", row.function, "_2\n"));
    EXPECT_EQ(verdict(row.name), Check::Verdict::kWarning) << row.name;
    put("/proc/kallsyms", cat(std::string(100 * 1024, 'x'), "\n0000000000000000 t ", row.function, "\n", std::string(100 * 1024, 'y'), "\n"));
    EXPECT_EQ(verdict(row.name), Check::Verdict::kGood) << row.name << " in the kernel";
    put("/proc/kallsyms", cat("0000000000000000 t ", row.function, "\t[module]\n"));
    EXPECT_EQ(verdict(row.name), Check::Verdict::kGood) << row.name << " as a module";
  }
}

}  // namespace
}  // namespace bramble
