// NftWatch against the real kernel, in a network namespace of its own.
#include "cni/nft/watch.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "cni/netlink/netns.h"
#include "cni/pod_network.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

const NftMap kSet{"numbers", NftKeyType::kInteger, NftDataType::kNone};

void fill(NftBatch* batch, int elements) {
  batch->add_table();
  batch->add_map(kSet);
  std::vector<NftElement> list;
  for (int i = 0; i < elements; i++) list.push_back({{reinterpret_cast<const char*>(&i), sizeof i}, "", ""});
  batch->add_elements(kSet, list);
}

bool readable(const NftWatch& watch) {
  pollfd p{watch.fd(), POLLIN, 0};
  return poll(&p, 1, 0) == 1;
}

TEST(NftWatch, tells_what_others_do_to_its_table_and_nothing_else) {
  char dir[] = "/tmp/bramble-nft-XXXXXX";
  ASSERT_NE(mkdtemp(dir), nullptr);
  std::string netns = cat(dir, "/net");
  ASSERT_TRUE(make_netns(netns).ok());
  Status s = in_netns(netns, []() -> Status {
    constexpr int kMoreThanASocketHolds = 30000;
    TRY_ASSIGN(NftWatch watch, NftWatch::open("ours"));
    EXPECT_FALSE(watch.changed());
    struct Case {
      const char* name;
      const char* table;
      bool by_us;
      void (*change)(NftBatch*);
      bool told;
    } cases[] = {
        {"we write it whole", "ours", true, [](NftBatch* b) { fill(b, kMoreThanASocketHolds); }, false},
        {"we write nothing", "ours", true, [](NftBatch*) {}, false},
        {"somebody writes a table of his own", "theirs", false, [](NftBatch* b) { fill(b, 10); }, false},
        {"somebody adds a chain to ours", "ours", false, [](NftBatch* b) { b->add_chain("more"); }, true},
        {"we write again after that", "ours", true, [](NftBatch* b) { b->delete_chain("more"); }, false},
        {"somebody takes an element away", "ours", false, [](NftBatch* b) { b->delete_elements(kSet, {{std::string(4, 0), "", ""}}); }, true},
        {"a change of ours that fails", "ours", true, [](NftBatch* b) { b->delete_chain("more"); }, false},
        {"somebody deletes it", "ours", false, [](NftBatch* b) { b->delete_table(); }, true},
        {"we write it whole again", "ours", true, [](NftBatch* b) { fill(b, 10); }, false},
        {"more happens than can be told", "theirs", false,
         [](NftBatch* b) {
           b->delete_table();
           fill(b, kMoreThanASocketHolds);
         },
         true},
    };
    for (const Case& c : cases) {
      NftBatch batch(c.table);
      c.change(&batch);
      Status done = c.by_us ? watch.commit(&batch) : batch.commit();
      EXPECT_EQ(done.ok(), std::string_view(c.name) != "a change of ours that fails") << c.name;
      if (c.by_us) EXPECT_FALSE(readable(watch)) << c.name;
      else EXPECT_TRUE(readable(watch)) << c.name;
      EXPECT_EQ(watch.changed(), c.told) << c.name;
      EXPECT_FALSE(watch.changed()) << c.name;
    }
    // Done before, but not looked at yet when we write.
    NftBatch other("ours"), ours("ours");
    other.add_chain("late");
    TRY(other.commit());
    ours.add_chain("mine");
    TRY(watch.commit(&ours));
    EXPECT_TRUE(watch.changed());
    return ok();
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
  EXPECT_TRUE(remove_netns(netns).ok());
  EXPECT_EQ(rmdir(dir), 0);
}

}  // namespace
}  // namespace bramble
