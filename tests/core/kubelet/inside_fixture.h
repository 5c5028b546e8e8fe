// What a container sees, seen from inside: a pod whose container runs a script and ends, and what it said.
#pragma once

#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

class InsideTest : public KubeletTest {
 protected:
  void SetUp() override {
    KubeletTest::SetUp();
    // Every applet of busybox, by name.
    std::string bin = base_ + "/image/bin/";
    for (const char* applet : {"grep", "sed", "cut", "mkdir", "touch", "unshare", "mount", "umount", "rm", "tr", "wc", "dd", "sort", "head", "chmod", "mknod", "ip", "ps", "stty", "find", "df"})
      if (!fs::exists(bin + applet)) fs::create_symlink("busybox", bin + applet);
  }
  // What the script, run by sh in the pod's first container, wrote, without the log's own words. pod_spec and container are
  // members of JSON objects ("" : none).
  Task<std::string> said(std::string name, std::string pod_spec, std::string container, std::string script, std::string metadata = "") {
    Builder command;
    command.root().set("s", cat("exec 2>&1; ", script));  // one stream, so that what is said stays in order
    std::string quoted = command.root()["s"].dump();
    put_pod(name, cat(R"("restartPolicy":"Never",)", pod_spec, pod_spec.empty() ? "" : ",", R"("containers":[{"name":"c","image":"busybox:1",)", container, container.empty() ? "" : ",",
                      R"("command":["sh","-c",)", quoted, "]}]"),
            metadata);
    std::function<bool(const Document&)> ended = [](const Document& d) { return d && PodView(d).is_terminal(); };
    Task<Document> waiting = until(name, ended);
    co_await waiting;
    co_return words_of(name);
  }
  // The lines of the log joined by '\n'.
  std::string words_of(const std::string& name) {
    std::string out;
    std::string log = log_of(name, "c");
    for (auto line : split(log, '\n')) {
      auto parsed = parse_log_line(line);
      if (!parsed) continue;
      out += cat(out.empty() ? "" : "\n", parsed->text);
    }
    return out;
  }
  // Waits until the container cannot be made, and gives "reason: message".
  Task<std::string> why_not(std::string name, std::string pod_spec, std::string container) {
    put_pod(name, cat(R"("restartPolicy":"Never",)", pod_spec, pod_spec.empty() ? "" : ",", R"("containers":[{"name":"c","image":"busybox:1",)", container, container.empty() ? "" : ",",
                      R"("command":["true"]}])"));
    std::function<bool(const Document&)> waits = [](const Document& d) {
      std::string_view reason = d["status"]["containerStatuses"].item(0)["state"]["waiting"]["reason"].str();
      return !reason.empty() && reason != "ContainerCreating" && reason != "PodInitializing";
    };
    Task<Document> waiting = until(name, waits);
    Document d = co_await waiting;
    Value why = d["status"]["containerStatuses"].item(0)["state"]["waiting"];
    co_return cat(why["reason"].str(), ": ", why["message"].str());
  }
};

}  // namespace
}  // namespace bramble
