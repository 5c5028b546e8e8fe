// Answers of the cluster's DNS: a table of questions against one zone, and messages good and broken.
#include <gtest/gtest.h>

#include "core/dns/answer_cache.h"
#include "core/dns/message.h"
#include "core/dns/resolv_conf.h"
#include "core/dns/zone.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

Zone make_zone() {
  Zone zone("cluster.local");
  auto put = [&](const char* ns, const char* name, const char* service, std::vector<Document> slices) {
    zone.put({ns, name}, std::make_shared<const DnsService>(dns_service(json(service).root(), slices)));
  };
  put("default", "web", R"({"spec":{"clusterIP":"10.43.0.50","clusterIPs":["10.43.0.50"],"ports":[{"name":"http","port":80,"protocol":"TCP"}]}})", {});
  put("default", "db", R"({"spec":{"clusterIP":"None","ports":[{"name":"sql","port":5432}]}})",
      {json(R"({"addressType":"IPv4","ports":[{"name":"sql","port":5432,"protocol":"TCP"}],"endpoints":[
        {"addresses":["10.42.0.5"],"hostname":"db-0","conditions":{"ready":true}},{"addresses":["10.42.0.6"]},
        {"addresses":["10.42.0.7"],"conditions":{"ready":false}}]})")});
  put("other", "alias", R"({"spec":{"type":"ExternalName","externalName":"web.default.svc.cluster.local"}})", {});
  put("other", "loop", R"({"spec":{"type":"ExternalName","externalName":"loop.other.svc.cluster.local"}})", {});
  put("default", "six", R"({"spec":{"clusterIP":"fd00:43::50","clusterIPs":["fd00:43::50"],"ports":[{"port":80}]}})", {});
  put("other", "out", R"({"spec":{"type":"ExternalName","externalName":"Example.ORG."}})", {});
  return zone;
}

// Records as "TYPE data" for a table.
std::string shown(const DnsRecord& r) {
  auto byte = [&](size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(r.data[i])); };
  if (r.type == dns_type::kA) return cat("A ", byte(0), ".", byte(1), ".", byte(2), ".", byte(3));
  size_t from = r.type == dns_type::kSrv ? 6 : 0;
  std::string name;
  for (size_t i = from; i < r.data.size() && byte(i) > 0; i += byte(i) + 1) name += cat(name.empty() ? "" : ".", std::string_view(r.data).substr(i + 1, byte(i)));
  if (r.type == dns_type::kSrv) return cat("SRV ", byte(4) * 256 + byte(5), " ", name);
  if (r.type == dns_type::kCname) return "CNAME " + name;
  if (r.type == dns_type::kPtr) return "PTR " + name;
  if (r.type == dns_type::kTxt) return "TXT " + name;
  return cat("TYPE", static_cast<int>(r.type));
}

TEST(Zone, answers_as_the_service_discovery_specification_says) {
  struct Case {
    const char* name;
    uint16_t type;
    const char* expected;  // records, "NXDOMAIN", "NODATA", "-" for not ours
  } cases[] = {
      {"web.default.svc.cluster.local", dns_type::kA, "A 10.43.0.50"},
      {"web.default.svc.cluster.local", dns_type::kAaaa, "NODATA"},
      {"web.default.svc.cluster.local", dns_type::kSrv, "SRV 80 web.default.svc.cluster.local"},
      {"_http._tcp.web.default.svc.cluster.local", dns_type::kSrv, "SRV 80 web.default.svc.cluster.local"},
      {"_http._udp.web.default.svc.cluster.local", dns_type::kSrv, "NXDOMAIN"},
      {"db.default.svc.cluster.local", dns_type::kA, "A 10.42.0.5,A 10.42.0.6"},
      {"db-0.db.default.svc.cluster.local", dns_type::kA, "A 10.42.0.5"},
      {"10-42-0-6.db.default.svc.cluster.local", dns_type::kA, "A 10.42.0.6"},
      {"db-9.db.default.svc.cluster.local", dns_type::kA, "NXDOMAIN"},
      {"_sql._tcp.db.default.svc.cluster.local", dns_type::kSrv,
       "SRV 5432 db-0.db.default.svc.cluster.local,SRV 5432 10-42-0-6.db.default.svc.cluster.local"},
      {"db.default.svc.cluster.local", dns_type::kSrv,
       "SRV 5432 db-0.db.default.svc.cluster.local,SRV 5432 10-42-0-6.db.default.svc.cluster.local"},
      {"out.other.svc.cluster.local", dns_type::kA, "CNAME example.org"},
      {"alias.other.svc.cluster.local", dns_type::kA, "CNAME web.default.svc.cluster.local,A 10.43.0.50"},
      {"alias.other.svc.cluster.local", dns_type::kCname, "CNAME web.default.svc.cluster.local"},
      {"0.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.4.0.0.0.0.d.f.ip6.arpa", dns_type::kPtr, "PTR six.default.svc.cluster.local"},
      {"1-2-3-4.default.pod.cluster.local", dns_type::kA, "A 1.2.3.4"},
      {"x.default.pod.cluster.local", dns_type::kA, "NXDOMAIN"},
      {"default.svc.cluster.local", dns_type::kA, "NODATA"},
      {"nowhere.svc.cluster.local", dns_type::kA, "NXDOMAIN"},
      {"web.nowhere.svc.cluster.local", dns_type::kA, "NXDOMAIN"},
      {"dns-version.cluster.local", dns_type::kTxt, "TXT 1.1.0"},
      {"50.0.43.10.in-addr.arpa", dns_type::kPtr, "PTR web.default.svc.cluster.local"},
      {"5.0.42.10.in-addr.arpa", dns_type::kPtr, "PTR db-0.db.default.svc.cluster.local"},
      {"9.9.9.9.in-addr.arpa", dns_type::kPtr, "-"},
      {"example.org", dns_type::kA, "-"},
      {"notcluster.local", dns_type::kA, "-"},
  };
  Zone zone = make_zone();
  for (const Case& c : cases) {
    DnsQuery q;
    q.name = q.name_on_wire = c.name;
    q.type = c.type;
    auto a = zone.answer(q);
    std::string got;
    if (!a) got = "-";
    else if (a->rcode == dns_rcode::kNameError) got = "NXDOMAIN";
    else if (a->answers.empty()) got = "NODATA";
    else
      for (const DnsRecord& r : a->answers) got += cat(got.empty() ? "" : ",", shown(r));
    EXPECT_EQ(got, c.expected) << c.name << " " << c.type;
  }
}

TEST(Zone, forgets_a_service_that_is_taken_out) {
  Zone zone = make_zone();
  zone.put({"default", "web"}, nullptr);
  DnsQuery q;
  q.name = "50.0.43.10.in-addr.arpa";
  q.type = dns_type::kPtr;
  EXPECT_FALSE(zone.answer(q).has_value());
}

std::string query_bytes(std::string_view name, uint16_t type, bool edns) {
  std::string out("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00", 11);
  out.push_back(edns ? 1 : 0);
  out += dns_name(name);
  out += std::string({static_cast<char>(type >> 8), static_cast<char>(type), 0, 1});
  if (edns) out += std::string("\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00", 11);
  return out;
}

TEST(DnsMessage, keeps_the_case_of_the_question_and_cuts_at_whole_records) {
  auto q = parse_dns_query(query_bytes("WeB.default.svc.cluster.local", dns_type::kA, true));
  ASSERT_TRUE(q.ok());
  EXPECT_EQ(q->name, "web.default.svc.cluster.local");
  EXPECT_EQ(q->udp_bytes_max, 4096);
  DnsAnswer a;
  for (int i = 0; i < 100; i++) a.answers.push_back({q->name, dns_type::kA, 5, dns_address("10.0.0.1")});
  std::string whole = build_dns_answer(*q, a, 4096), cut_short = build_dns_answer(*q, a, 512);
  EXPECT_NE(whole.find("WeB"), std::string::npos);
  EXPECT_EQ(whole[2] & 0x02, 0);
  EXPECT_EQ(cut_short[2] & 0x02, 0x02);
  EXPECT_LE(cut_short.size(), 512u);
  EXPECT_EQ((cut_short.size() - 12 - dns_name(q->name).size() - 4 - 11) % 16, 0u);
}

TEST(DnsMessage, refuses_what_is_no_query) {
  std::string good = query_bytes("a.b", dns_type::kA, false);
  struct Case {
    const char* name;
    std::string bytes;
  } cases[] = {
      {"empty", ""},
      {"header only", good.substr(0, 12)},
      {"cut in the name", good.substr(0, 14)},
      {"an answer", [&] { auto b = good; b[2] = static_cast<char>(0x81); return b; }()},
      {"two questions", [&] { auto b = good; b[5] = 2; return b; }()},
      {"a pointer in the name", good.substr(0, 12) + std::string("\xc0\x0c\x00\x01\x00\x01", 6)},
      {"a label over 63", good.substr(0, 12) + std::string(1, 64) + std::string(64, 'a') + std::string("\0\0\1\0\1", 5)},
  };
  for (const Case& c : cases) EXPECT_FALSE(parse_dns_query(c.bytes).ok()) << c.name;
}

TEST(ResolvConf, leaves_out_stubs_and_itself) {
  EXPECT_EQ(upstream_servers("# x\nnameserver 127.0.0.53\nnameserver 10.43.0.10\nnameserver 192.0.2.1 # y\nnameserver fe80::1%eth0\nsearch a\nnameserver 192.0.2.1\nnameserver bad\n",
                             "10.43.0.10"),
            (std::vector<std::string>{"192.0.2.1", "fe80::1"}));
}

TEST(Zone, tells_where_a_name_leaves_the_cluster) {
  Zone zone = make_zone();
  DnsQuery q;
  q.type = dns_type::kA;
  q.name = "out.other.svc.cluster.local";
  EXPECT_EQ(zone.answer(q)->chase, "example.org");
  q.name = "loop.other.svc.cluster.local";
  EXPECT_EQ(zone.answer(q)->chase, "");
}

std::string reply_of(const std::string& query, int answers, uint32_t ttl_s, uint8_t rcode = 0, bool soa = false) {
  auto q = parse_dns_query(query);
  DnsAnswer a;
  a.rcode = rcode;
  for (int i = 0; i < answers; i++) a.answers.push_back({q->name, dns_type::kA, ttl_s, dns_address("192.0.2.1")});
  if (soa) a.authority.push_back({"org", dns_type::kSoa, 60, dns_soa("a.org", "b.org", 1, ttl_s)});
  return build_dns_answer(*q, a, 512);
}

TEST(AnswerCache, keeps_answers_as_long_as_they_may_be_kept) {
  constexpr int64_t kS = 1000000;
  const std::string query = build_dns_query(7, "Example.org", dns_type::kA), other = build_dns_query(9, "eXample.org", dns_type::kA);
  struct Case {
    const char* name;
    std::string reply;
    int64_t after_s;
    bool known;
  } cases[] = {
      {"fresh", reply_of(query, 2, 20), 19, true},
      {"too old", reply_of(query, 2, 20), 20, false},
      {"never longer than half a minute", reply_of(query, 1, 3600), 30, false},
      {"not there", reply_of(query, 0, 10, dns_rcode::kNameError, true), 9, true},
      {"not there, without a word how long", reply_of(query, 0, 10, dns_rcode::kNameError), 1, false},
      {"a failure", reply_of(query, 0, 10, dns_rcode::kServerFailure, true), 1, false},
      {"not to be kept", reply_of(query, 1, 0), 0, false},
      {"of another question", reply_of(build_dns_query(7, "other.org", dns_type::kA), 1, 20), 1, false},
      {"broken", reply_of(query, 1, 20).substr(0, 35), 1, false},
  };
  for (const Case& c : cases) {
    AnswerCache cache;
    cache.put(query, c.reply, 5 * kS);
    auto found = cache.find(other, 512, (5 + c.after_s) * kS);
    EXPECT_EQ(found.has_value(), c.known) << c.name;
    if (!found) continue;
    EXPECT_EQ(found->substr(0, 2), other.substr(0, 2)) << c.name;
    EXPECT_EQ(found->substr(12, 13), other.substr(12, 13)) << c.name;
  }
  AnswerCache cache;
  cache.put(query, reply_of(query, 1, 20), 0);
  EXPECT_EQ(parse_dns_reply(*cache.find(query, 512, 5 * kS))->ttl_s_min, 15);
  EXPECT_FALSE(cache.find(query, 20, 0).has_value()) << "longer than who asks can take";
  for (int i = 0; i < 20000; i++) {
    std::string q = build_dns_query(1, cat("n", i, ".org"), dns_type::kA);
    cache.put(q, reply_of(q, 1, 20), 0);
  }
  EXPECT_LE(cache.bytes(), AnswerCache::kAnswerCacheBytes);
}

TEST(DnsReply, is_not_led_astray_by_its_names) {
  std::string reply = reply_of(build_dns_query(7, "a.org", dns_type::kA), 1, 20);
  reply.resize(23);  // header and question
  for (const char* name : {"\xc0\x17", "\xc0\xff", "\xff\xff", "\x3f"}) EXPECT_FALSE(parse_dns_reply(reply + std::string(name) + std::string("\0\1\0\1\0\0\0\1\0\4abcd", 14)).has_value());
  EXPECT_TRUE(parse_dns_reply(reply + std::string("\xc0\x0c\0\1\0\1\0\0\0\1\0\4abcd", 16)).has_value());
}

}  // namespace
}  // namespace bramble
