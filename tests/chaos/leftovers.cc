#include "tests/chaos/leftovers.h"

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace firebreak::testing {
namespace {

void ForEachEntry(const char* folder,
                  const std::function<void(const std::string&)>& f) {
  DIR* const dir = opendir(folder);
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') f(entry->d_name);
  }
  closedir(dir);
}

// gRPC's pools may grow at any time, and shrink late or never.
bool IsOfGrpcsPools(const std::string& thread) {
  for (const char* name : {"default-executo", "resolver-execut",
                           "grpc_global_tim", "event_engine"}) {
    if (absl::StartsWith(thread, name)) return true;
  }
  return false;
}

}  // namespace

Leftovers Leftovers::Now() {
  Leftovers now;
  ForEachEntry("/proc/self/task", [&](const std::string& task) {
    std::ifstream file(absl::StrCat("/proc/self/task/", task, "/comm"));
    std::string name;
    // A thread that has ended meanwhile does not count.
    if (!std::getline(file, name) || IsOfGrpcsPools(name)) return;
    ++now.counts_[absl::StrCat("threads ", name)];
  });
  ForEachEntry("/proc/self/fd", [&](const std::string& fd) {
    std::array<char, 256> target;
    const ssize_t n = readlink(absl::StrCat("/proc/self/fd/", fd).c_str(),
                               target.data(), target.size());
    if (n <= 0) return;
    // "socket:[12345]": the number differs each time, so it is cut off.
    const std::string name(target.data(), static_cast<size_t>(n));
    ++now.counts_[absl::StrCat("descriptors ",
                               name.substr(0, name.find(":[")))];
  });
  return now;
}

std::string Leftovers::MoreThan(const Leftovers& before) const {
  std::string text;
  for (const auto& [name, n] : counts_) {
    const auto found = before.counts_.find(name);
    const int more = n - (found == before.counts_.end() ? 0 : found->second);
    if (more > 0) absl::StrAppend(&text, name, ": ", more, " more; ");
  }
  return text;
}

}  // namespace firebreak::testing
