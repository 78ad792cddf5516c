#include "src/engine/policy/protection.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "src/engine/policy/lint_rules.h"

namespace firebreak::engine {
namespace {

using Options = std::shared_ptr<const core::MethodOptions>;

bool Protects(const core::MethodOptions* options) {
  return options != nullptr && options->breaker.has_value() &&
         options->breaker->mode == core::BreakerOptions::Mode::kEnforce;
}

class Search {
 public:
  Search(const PolicyTable& before, const PolicyTable& after)
      : before_(before), after_(after) {}

  void Called(const std::string& channel, const std::string& method) {
    if (!Protects(before_.FindForCall(channel, method).get())) return;
    if (Protects(after_.FindForCall(channel, method).get())) return;
    lost_.insert(absl::StrCat(method, OnChannel(channel)));
  }

  void Named(absl::string_view channel, absl::string_view service,
             absl::string_view method, const core::MethodOptions& options) {
    if (!Protects(&options)) return;
    const auto* const linked =
        service.empty() || !method.empty()
            ? nullptr
            : google::protobuf::DescriptorPool::generated_pool()
                  ->FindServiceByName(std::string(service));
    if (linked == nullptr) {
      const std::string path = absl::StrCat("/", service, "/", method);
      if (Protects(after_.Find(channel, path).get())) return;
      lost_.insert(CallsOf(channel, service, method));
      return;
    }
    for (int i = 0; i < linked->method_count(); ++i) {
      const std::string path =
          absl::StrCat("/", service, "/", linked->method(i)->name());
      // Other methods have an entry of their own.
      if (before_.Find(channel, path).get() != &options) continue;
      if (Protects(after_.Find(channel, path).get())) continue;
      lost_.insert(absl::StrCat(path, OnChannel(channel)));
    }
  }

  Lost Take() {
    Lost lost;
    for (const std::string& each : lost_) {
      if (lost.calls.size() < kMostLost) {
        lost.calls.push_back(each);
      } else {
        ++lost.left_out;
      }
    }
    return lost;
  }

 private:
  const PolicyTable& before_;
  const PolicyTable& after_;
  absl::btree_set<std::string> lost_;
};

}  // namespace

Lost FindLostBreakers(
    const PolicyTable& before, const PolicyTable& after,
    const std::vector<std::pair<std::string, std::string>>& called) {
  Search search(before, after);
  for (const auto& [channel, method] : called) search.Called(channel, method);
  before.ForEachName([&](absl::string_view channel, absl::string_view service,
                         absl::string_view method,
                         const core::MethodOptions& options) {
    search.Named(channel, service, method, options);
  });
  return search.Take();
}

absl::Status RefuseFaults(const PolicyTable& policy) {
  absl::btree_set<std::string> entries;
  policy.ForEachName([&](absl::string_view, absl::string_view,
                         absl::string_view,
                         const core::MethodOptions& options) {
    if (options.fault && options.fault->DoesAnything()) {
      entries.insert(options.policy);
    }
  });
  if (entries.empty()) return absl::OkStatus();
  constexpr size_t kTold = 3;
  const size_t told = std::min(entries.size(), kTold);
  return absl::InvalidArgumentError(absl::StrCat(
      "fault: is set in ",
      absl::StrJoin(entries.begin(), std::next(entries.begin(), told), ", "),
      entries.size() > told ? ", ..." : "",
      "; not allowed in this process (EngineOptions::allow_faults)"));
}

}  // namespace firebreak::engine
